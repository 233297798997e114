-- check/code: what runs when a table is read or written and is not PostgreSQL's own.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (table_oid int8, what text)
--
-- Triggers (foreign keys' own ones apart), rules, and functions below defaults, constraints and indexes.
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
SELECT e.table_oid::int8, 'the function ' || p.proname || ' below ' || e.name
  FROM (SELECT k.conrelid AS table_oid, 'pg_constraint'::regclass AS classid, k.oid AS objid, 'the constraint ' || k.conname AS name
          FROM pg_catalog.pg_constraint AS k
        UNION ALL
        SELECT d.adrelid, 'pg_attrdef'::regclass, d.oid, 'a default or a generated column'
          FROM pg_catalog.pg_attrdef AS d
        UNION ALL
        SELECT i.indrelid, 'pg_class'::regclass, i.indexrelid, 'the index ' || i.indexrelid::regclass::text
          FROM pg_catalog.pg_index AS i) AS e
  JOIN pg_catalog.pg_depend AS d ON d.classid = e.classid AND d.objid = e.objid
  LEFT JOIN pg_catalog.pg_operator AS o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
  JOIN pg_catalog.pg_proc AS p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode END
 WHERE p.oid >= 16384
 ORDER BY 1, 2;
