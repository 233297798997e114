-- schema/forget: drop the checksum of a migration that is about to be rolled back.
-- global:  about the schema, not about anybody's rows
-- params:  id text
-- returns: count
DELETE FROM migration_checksums AS c
 WHERE c.id = :id;
