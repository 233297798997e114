-- check/tables: every table, view and other relation with rows; system ones have OIDs below 16384.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (oid int8, schema text, name text, kind text, temporary bool, row_security bool, inherits bool,
--          extension bool, home bool, usable bool, analysed bool)
SELECT c.oid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
       c.relpersistence = 't' AS temporary,
       c.relrowsecurity AS row_security,
       EXISTS (SELECT 1 FROM pg_catalog.pg_inherits AS h WHERE c.oid IN (h.inhparent, h.inhrelid)) AS inherits,
       EXISTS (SELECT 1
                 FROM pg_catalog.pg_depend AS d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS extension,
       n.nspname = current_schema() AS home,
       has_schema_privilege(n.oid, 'USAGE') AS usable,
       c.reltuples >= 0 AS analysed
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
 ORDER BY c.oid;
