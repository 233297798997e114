SET lock_timeout = '5s';

-- Reads all tasks, and lets everybody read and write meanwhile.
ALTER TABLE tasks VALIDATE CONSTRAINT tasks_sequence_known;
