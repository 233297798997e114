-- owners/lock_create: lock the owner's row and count a new task in, if the quotas (null: none) have room for it.
-- params:  owner_id text, open int8, completed int8, bytes int8, Limits
-- returns: maybe (sequence int8)
--
-- First in the transaction that creates the task. The sequence is the number of this change. No row: there is no
-- room, and nothing was changed. An owner's first task meets no count: hold it against the quotas before.
-- Open and completed are 1 and 0, or 0 and 1.
INSERT INTO owners AS o (owner_id, open, completed, bytes)
VALUES (:owner_id, :open, :completed, :bytes)
ON CONFLICT (owner_id) DO UPDATE
   SET sequence = o.sequence + 1,
       open = o.open + EXCLUDED.open,
       completed = o.completed + EXCLUDED.completed,
       bytes = o.bytes + EXCLUDED.bytes
 WHERE (o.open + o.completed + o.trash >= :max_tasks OR o.bytes + EXCLUDED.bytes > :max_bytes) IS NOT TRUE
RETURNING o.sequence;
