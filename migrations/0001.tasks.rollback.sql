SET lock_timeout = '5s';

-- Destroys every task. The index, the constraints and the comments go with the table.
DROP TABLE IF EXISTS tasks;
