-- check/types: the types that are not PostgreSQL's own; for a table's row type, or an array of it, the table.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (oid int8, name text, table_oid int8)
SELECT t.oid::int8 AS oid, t.typname::text AS name, COALESCE(e.typrelid, t.typrelid)::int8 AS table_oid
  FROM pg_catalog.pg_type AS t
  LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
 WHERE t.oid >= 16384
 ORDER BY t.oid;
