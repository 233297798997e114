-- migrate/lock: try to take the migration lock, and return whether it was free.
-- global:  about the schema, not about anybody's rows
-- params:  key int8
-- returns: one (locked bool)
--
-- Never waits: a waiting session keeps its snapshot, and CREATE INDEX CONCURRENTLY waits for all older snapshots. A run
-- that waited here for one that builds an index would deadlock with it.
SELECT pg_try_advisory_lock(:key) AS locked;
