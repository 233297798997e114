-- account/erase_owner: remove the owner's own row, which has the counts, for good.
-- params:  owner_id text
-- returns: count
-- index:   owners_pkey
--
-- Last, after all else is gone. Not where tasks were made meanwhile: they are counted in this very row, which is
-- looked at anew after a wait.
DELETE FROM owners AS o
 WHERE o.owner_id = :owner_id
   AND o.open + o.completed + o.trash = 0;
