-- owners/get: the owner's current sequence, and how many tasks and bytes the owner has.
-- params:  owner_id text
-- returns: maybe (sequence int8, tasks int8, bytes int8)
-- index:   owners_pkey
--
-- All that a list costs which has not changed (304). No row: the owner never had a task.
SELECT o.sequence, o.open + o.completed + o.trash AS tasks, o.bytes
  FROM owners AS o
 WHERE o.owner_id = :owner_id;
