SET lock_timeout = '2s';

-- Loses the kept responses: a repeat of an earlier request is carried out again.
DROP TABLE IF EXISTS idempotency_keys;
