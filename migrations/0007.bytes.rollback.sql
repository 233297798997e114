SET lock_timeout = '5s';

DROP TRIGGER IF EXISTS owners_forget_bytes ON owners;
DROP FUNCTION IF EXISTS owners_forget_bytes();
ALTER TABLE owners DROP COLUMN IF EXISTS bytes;
