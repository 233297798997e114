-- tasks/erase: delete the row of a task in the owner's trash, so that a new task can take its id.
-- params:  owner_id text, id uuid
-- returns: count
-- index:   tasks_pkey, owners_pkey
--
-- Only for a transaction that has locked the owner and goes on to create the new task: the feed shows that one in place
-- of the deletion.
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
