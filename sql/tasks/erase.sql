-- tasks/erase: remove a deleted task of the owner's for good, to make room for another with its id.
-- params:  owner_id text, id uuid
-- returns: count
-- index:   tasks_pkey
--
-- Only in a transaction that then creates that other one: readers of the feed hear of it in place of the deletion.
DELETE FROM tasks AS t
 WHERE t.owner_id = :owner_id
   AND t.id = :id
   AND num_nulls(t.deleted_at) = 0;
