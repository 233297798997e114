-- check/expressions: defaults, CHECKs, index expressions and the like, as PostgreSQL's node trees.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (table_oid int8, what text, tree text)
--
-- They run when a row is written or a statement is planned. pg_depend does not record calls of built-in functions, so
-- only the trees show them.
SELECT k.conrelid::int8 AS table_oid, 'the constraint ' || k.conname AS what, k.conbin::text AS tree
  FROM pg_catalog.pg_constraint AS k
 WHERE k.conbin IS NOT NULL
   AND k.conrelid >= 16384
UNION ALL
SELECT d.adrelid::int8, 'the default or formula of the column ' || a.attname, d.adbin::text
  FROM pg_catalog.pg_attrdef AS d
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
 WHERE d.adrelid >= 16384
UNION ALL
SELECT i.indrelid::int8, 'the index ' || i.indexrelid::regclass::text, e.tree::text
  FROM pg_catalog.pg_index AS i
 CROSS JOIN LATERAL (VALUES (i.indexprs), (i.indpred)) AS e (tree)
 WHERE e.tree IS NOT NULL
   AND i.indrelid >= 16384
UNION ALL
SELECT s.stxrelid::int8, 'the statistics ' || s.stxname, s.stxexprs::text
  FROM pg_catalog.pg_statistic_ext AS s
 WHERE s.stxexprs IS NOT NULL
 ORDER BY 1, 2;
