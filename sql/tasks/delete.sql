-- tasks/delete: remove one task of the owner's, for good.
-- params:  owner_id text, id uuid
-- returns: count
-- index:   tasks_pkey
DELETE FROM tasks AS t
 WHERE t.owner_id = :owner_id
   AND t.id = :id;
