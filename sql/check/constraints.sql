-- check/constraints: the foreign keys and the exclusion constraints.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (table_oid int8, name text, kind text, referenced_oid int8, first_column int2, first_referenced int2?,
--          first_operator int8?, sets_default bool)
--
-- first_operator: the OID of the operator that compares the first column; 98 is text = text.
SELECT k.conrelid::int8 AS table_oid, k.conname::text AS name, k.contype::text AS kind, k.confrelid::int8 AS referenced_oid,
       k.conkey[1] AS first_column, k.confkey[1] AS first_referenced,
       COALESCE(k.conpfeqop[1], k.conexclop[1])::int8 AS first_operator,
       k.confdeltype = 'd' OR k.confupdtype = 'd' AS sets_default
  FROM pg_catalog.pg_constraint AS k
 WHERE k.contype IN ('f', 'x')
   AND k.conrelid >= 16384
 ORDER BY k.conrelid, k.conname;
