-- check/types: every type, with the element type of an array and the table of a row type or an array of rows.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (oid int8, name text, element int8, table_oid int8)
SELECT t.oid::int8 AS oid, format_type(t.oid, NULL) AS name, COALESCE(e.oid::int8, 0) AS element,
       COALESCE(e.typrelid, t.typrelid)::int8 AS table_oid
  FROM pg_catalog.pg_type AS t
  LEFT JOIN pg_catalog.pg_type AS e ON e.typarray = t.oid
 ORDER BY t.oid;
