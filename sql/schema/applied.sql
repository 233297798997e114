-- schema/applied: the applied migrations, oldest first, each with its file's checksum at that time.
-- global:  about the schema, not about anybody's rows
-- returns: many (id text, applied_at timestamptz, sha256 text?)
--
-- Fails with 42P01 on a database that was never migrated. The checksum is NULL if a run died before it wrote it, or if
-- yoyo's own command line applied the file.
SELECT m.migration_id::text AS id, m.applied_at_utc AT TIME ZONE 'UTC' AS applied_at, c.sha256
  FROM _yoyo_migration AS m
  LEFT JOIN migration_checksums AS c ON c.id = m.migration_id
 WHERE m.migration_id IS NOT NULL
 ORDER BY m.applied_at_utc, m.migration_id;
