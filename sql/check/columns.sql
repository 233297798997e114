-- check/columns: the columns of every relation outside the system catalogue.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (table_oid int8, number int2, name text, type text, type_oid int8, not_null bool, deterministic bool,
--          generated bool)
--
-- Under a nondeterministic collation two different texts can be equal.
SELECT a.attrelid::int8 AS table_oid, a.attnum AS number, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
       a.atttypid::int8 AS type_oid, a.attnotnull AS not_null, COALESCE(l.collisdeterministic, true) AS deterministic,
       a.attgenerated <> '' OR a.attidentity <> '' AS generated
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
  LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = a.attcollation
 WHERE c.oid >= 16384
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND a.attnum > 0
   AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum;
