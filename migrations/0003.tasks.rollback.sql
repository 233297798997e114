SET lock_timeout = '2s';

-- Destroys every task. The indexes, the constraints and the comments go with the table.
DROP TABLE IF EXISTS tasks;
