SET lock_timeout = '5s';

-- Reads all owners, and lets everybody read and write meanwhile.
ALTER TABLE owners VALIDATE CONSTRAINT owners_bytes_not_negative;
