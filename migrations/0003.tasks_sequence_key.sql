-- transactional: false
SET lock_timeout = '5s';
DROP INDEX CONCURRENTLY IF EXISTS tasks_sequence_key;
-- The order of the feed. Unique, as no two changes of an owner have one number. Its price: an update of a task touches the indexes.
-- squawk-ignore prefer-robust-stmts, ban-concurrent-index-creation-in-transaction
CREATE UNIQUE INDEX CONCURRENTLY tasks_sequence_key ON tasks (owner_id, sequence);
