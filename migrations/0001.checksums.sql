SET lock_timeout = '2s';

-- yoyo records names alone, so it does not notice an edited file. A table of our own, not a column of yoyo's: its
-- tables change between its versions.
CREATE TABLE IF NOT EXISTS migration_checksums (
    id     text NOT NULL,
    sha256 text NOT NULL,

    CONSTRAINT migration_checksums_pkey PRIMARY KEY (id),
    CONSTRAINT migration_checksums_sha256_format CHECK (sha256 COLLATE "C" ~ '^[0-9a-f]{64}$')
);

COMMENT ON TABLE migration_checksums IS 'Checksums of the applied migrations, to detect edited files.';
COMMENT ON COLUMN migration_checksums.id IS 'The migration''s file name without .sql.';
COMMENT ON COLUMN migration_checksums.sha256 IS 'SHA-256 of the file as it was applied, in hexadecimal.';
