-- schema/applied: the migrations that are applied, oldest first, and the checksum that each file had then.
-- global:  about the schema, not about anybody's rows
-- returns: many (id text, applied_at timestamptz, sha256 text?)
--
-- Fails with 42P01 on a database that was never migrated. A checksum is missing where a run died between two steps, and where
-- somebody used yoyo's own command line.
SELECT m.migration_id::text AS id, m.applied_at_utc AT TIME ZONE 'UTC' AS applied_at, c.sha256
  FROM _yoyo_migration AS m
  LEFT JOIN migration_checksums AS c ON c.id = m.migration_id
 WHERE m.migration_id IS NOT NULL
 ORDER BY m.applied_at_utc, m.migration_id;
