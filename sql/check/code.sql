-- check/code: user-defined code that runs when a table is read or written.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (table_oid int8, what text)
--
-- Triggers (except those of foreign keys), rules and index operator classes. For expressions see check/expressions.
SELECT t.tgrelid::int8 AS table_oid, 'the trigger ' || t.tgname AS what
  FROM pg_catalog.pg_trigger AS t
 WHERE NOT t.tgisinternal
UNION ALL
SELECT r.ev_class::int8, 'the rule ' || r.rulename
  FROM pg_catalog.pg_rewrite AS r
  JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
 WHERE c.relkind IN ('r', 'p', 'f')
   AND c.oid >= 16384
UNION ALL
SELECT i.indrelid::int8, 'the operator class ' || o.opcname || ' below the index ' || i.indexrelid::regclass::text
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_opclass AS o ON o.oid = ANY (i.indclass)
 WHERE o.oid >= 16384
 ORDER BY 1, 2;
