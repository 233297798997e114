-- migrate/record: keep the checksum of an applied migration's file.
-- global:  about the schema, not about anybody's rows
-- params:  id text, sha256 text
-- returns: count
--
-- The row exists already if yoyo's own command line rolled the migration back.
INSERT INTO migration_checksums AS c (id, sha256)
VALUES (:id, :sha256)
ON CONFLICT (id) DO UPDATE SET sha256 = EXCLUDED.sha256;
