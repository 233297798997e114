SET lock_timeout = '2s';

-- Loses the sequences: every client that keeps a copy must start again.
DROP TABLE IF EXISTS owners;
