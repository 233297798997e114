-- owners/lock_create: lock the owner's row and count a new task, if it fits the quotas (NULL: no quota).
-- params:  owner_id text, open int8, completed int8, bytes int8, Limits
-- returns: maybe (sequence int8)
--
-- Runs first in the transaction that creates the task, and returns the sequence of this change. No row: over quota,
-- nothing changed. An owner's first task finds no row to count in: the caller checks it against the quotas before.
-- :open and :completed are 1 and 0, or 0 and 1.
INSERT INTO owners AS o (owner_id, open, completed, bytes)
VALUES (:owner_id, :open, :completed, :bytes)
ON CONFLICT (owner_id) DO UPDATE
   SET sequence = o.sequence + 1,
       open = o.open + EXCLUDED.open,
       completed = o.completed + EXCLUDED.completed,
       bytes = o.bytes + EXCLUDED.bytes
 WHERE (o.open + o.completed + o.trash >= :max_tasks OR o.bytes + EXCLUDED.bytes > :max_bytes) IS NOT TRUE
RETURNING o.sequence;
