-- owners/get: where the owner's sequence stands, and how much the owner has.
-- params:  owner_id text
-- returns: maybe (sequence int8, tasks int8, bytes int8)
-- index:   owners_pkey
--
-- The whole price of a list that has not changed. No row, no task ever.
SELECT o.sequence, o.open + o.completed + o.trash AS tasks, o.bytes
  FROM owners AS o
 WHERE o.owner_id = :owner_id;
