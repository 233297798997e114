SET lock_timeout = '5s';

ALTER TABLE owners DROP CONSTRAINT IF EXISTS owners_bytes_not_negative;
ALTER TABLE owners ADD CONSTRAINT owners_bytes_not_negative CHECK (bytes >= 0) NOT VALID;
