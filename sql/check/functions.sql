-- check/functions: the functions that are user-defined or not IMMUTABLE.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (oid int8, signature text, is_volatile bool)
SELECT p.oid::int8 AS oid, p.oid::regprocedure::text AS signature, p.provolatile = 'v' AS is_volatile
  FROM pg_catalog.pg_proc AS p
 WHERE p.oid >= 10000
    OR p.provolatile <> 'i'
 ORDER BY p.oid;
