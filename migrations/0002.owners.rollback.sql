SET lock_timeout = '2s';

-- Loses the sequences: every client that keeps a copy has to make it anew.
DROP TABLE IF EXISTS owners;
