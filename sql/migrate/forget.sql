-- migrate/forget: drop the checksums of migrations that are not applied.
-- global:  about the schema, not about anybody's rows
-- returns: count
--
-- A file that was rolled back may change before it is applied again.
DELETE FROM migration_checksums AS c
 WHERE NOT EXISTS (SELECT FROM _yoyo_migration AS m WHERE m.migration_id = c.id);
