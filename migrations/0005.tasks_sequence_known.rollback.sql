SET lock_timeout = '5s';

ALTER TABLE tasks DROP CONSTRAINT IF EXISTS tasks_sequence_known;
ALTER TABLE tasks ADD CONSTRAINT tasks_sequence_known CHECK (sequence IS NOT NULL) NOT VALID;
