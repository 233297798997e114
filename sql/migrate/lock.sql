-- migrate/lock: take the migration lock if nobody holds it, and say whether it worked.
-- global:  about the schema, not about anybody's rows
-- params:  key int8
-- returns: one (locked bool)
--
-- Tries and never waits: a session that waits for a lock keeps its snapshot, and CREATE INDEX CONCURRENTLY waits for all
-- snapshots. With one migration building an index and another one waiting for it here, neither would ever end.
SELECT pg_try_advisory_lock(:key) AS locked;
