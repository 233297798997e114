-- account/erase_owner: delete the owner's own row, if it counts no task.
-- params:  owner_id text
-- returns: count
-- index:   owners_pkey
--
-- Runs last. If a task was created meanwhile, this deletes nothing: creates are counted in this row, and PostgreSQL
-- checks the counts again after it has waited for the row's lock.
DELETE FROM owners AS o
 WHERE o.owner_id = :owner_id
   AND o.open + o.completed + o.trash = 0;
