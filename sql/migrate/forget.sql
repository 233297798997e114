-- migrate/forget: delete the checksums of migrations that are not applied.
-- global:  about the schema, not about anybody's rows
-- returns: count
--
-- A file may change between its rollback and its next run.
DELETE FROM migration_checksums AS c
 WHERE NOT EXISTS (SELECT FROM _yoyo_migration AS m WHERE m.migration_id = c.id);
