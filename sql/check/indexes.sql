-- check/indexes: every index outside the system catalogue.
-- global:  reads the catalogue, which describes rows and holds none
-- returns: many (oid int8, table_oid int8, name text, is_unique bool, usable bool, partial bool, columns text, sound bool)
--
-- columns: the table's column numbers in key order, 0 for an expression, without INCLUDE columns.
-- sound: a B-tree whose first column has a built-in operator class and a deterministic collation.
SELECT i.indexrelid::int8 AS oid, i.indrelid::int8 AS table_oid, c.relname::text AS name, i.indisunique AS is_unique,
       i.indisvalid AND i.indisready AS usable,
       i.indpred IS NOT NULL AS partial,
       array_to_string((i.indkey::int2[])[0:i.indnkeyatts - 1], ' ') AS columns,
       m.amname = 'btree' AND i.indclass[0]::int8 < 16384 AND COALESCE(l.collisdeterministic, true) AS sound
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
  LEFT JOIN pg_catalog.pg_collation AS l ON l.oid = i.indcollation[0]
 WHERE i.indrelid >= 16384
 ORDER BY i.indexrelid;
