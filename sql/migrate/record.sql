-- migrate/record: remember what the file of an applied migration looks like.
-- global:  about the schema, not about anybody's rows
-- params:  id text, sha256 text
-- returns: count
--
-- There is a row already where yoyo's own command line rolled the migration back.
INSERT INTO migration_checksums AS c (id, sha256)
VALUES (:id, :sha256)
ON CONFLICT (id) DO UPDATE SET sha256 = EXCLUDED.sha256;
