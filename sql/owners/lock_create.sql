-- owners/lock_create: lock the owner's row and count new tasks, if all of them fit the quotas (NULL: no quota).
-- params:  owner_id text, open int8, completed int8, bytes int8, Limits
-- returns: maybe (sequence int8)
--
-- Runs before the tasks are created, in the same transaction. Returns the sequence of the last of them; those before it
-- are the others'. No row: over quota, nothing changed. An owner's first tasks find no row to count in: the caller checks
-- them against the quotas before; they are numbered above the horizon, which starts at the clock.
INSERT INTO owners AS o (owner_id, sequence, open, completed, bytes)
VALUES (:owner_id, (extract(epoch FROM now()) * 1000000)::int8 + :open + :completed, :open, :completed, :bytes)
ON CONFLICT (owner_id) DO UPDATE
   SET sequence = o.sequence + EXCLUDED.open + EXCLUDED.completed,
       open = o.open + EXCLUDED.open,
       completed = o.completed + EXCLUDED.completed,
       bytes = o.bytes + EXCLUDED.bytes
 WHERE (o.open + o.completed + o.trash + EXCLUDED.open + EXCLUDED.completed > :max_tasks
        OR o.bytes + EXCLUDED.bytes > :max_bytes) IS NOT TRUE
RETURNING o.sequence;
