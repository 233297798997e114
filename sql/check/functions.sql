-- check/functions: the functions that need a second look: not PostgreSQL's own, or not immutable.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (oid int8, name text)
SELECT p.oid::int8 AS oid, p.proname::text AS name
  FROM pg_catalog.pg_proc AS p
 WHERE p.oid >= 16384
    OR p.provolatile <> 'i'
 ORDER BY p.oid;
