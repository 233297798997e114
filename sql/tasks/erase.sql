-- tasks/erase: remove a deleted task of the owner's for good, to make room for another with its id.
-- params:  owner_id text, id uuid
-- returns: count
-- index:   tasks_pkey, owners_pkey
--
-- Only in a transaction that has locked the owner and then creates that other one: readers of the feed hear of it in
-- place of the deletion.
WITH gone AS (
    DELETE FROM tasks AS t
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       AND num_nulls(t.deleted_at) = 0
    RETURNING t.erased, t.size
)
UPDATE owners AS o
   SET trash = o.trash - (NOT gone.erased)::int4,
       bytes = o.bytes - gone.size
  FROM gone
 WHERE o.owner_id = :owner_id;
