-- contract: once no build runs any more that does not count bytes, which is every build before 0.3.0.
SET lock_timeout = '5s';

DROP TRIGGER IF EXISTS owners_forget_bytes ON owners;
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS owners_forget_bytes();
