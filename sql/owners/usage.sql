-- owners/usage: how many tasks the owner has, and how many bytes of text (null: not counted yet); told when a quota is in the way.
-- params:  owner_id text
-- returns: maybe (tasks int8, bytes int8?)
-- index:   owners_pkey
--
-- No row, no task ever.
SELECT o.open + o.completed AS tasks, o.bytes
  FROM owners AS o
 WHERE o.owner_id = :owner_id;
