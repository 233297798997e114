SET lock_timeout = '5s';

-- Loses the sequence, tombstones and kept answers: clients that sync have to start again.
DROP TRIGGER IF EXISTS tasks_book_insert ON tasks;
DROP TRIGGER IF EXISTS tasks_book_update ON tasks;
DROP TRIGGER IF EXISTS tasks_book_delete ON tasks;
DROP FUNCTION IF EXISTS tasks_book_write();
DROP FUNCTION IF EXISTS tasks_book_delete();
ALTER TABLE tasks DROP CONSTRAINT IF EXISTS tasks_sequence_known;
ALTER TABLE tasks DROP COLUMN IF EXISTS sequence;
DROP TABLE IF EXISTS idempotency_keys;
DROP TABLE IF EXISTS tombstones;
DROP TABLE IF EXISTS owners;
