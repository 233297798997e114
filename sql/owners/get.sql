-- owners/get: where the owner's sequence stands; the whole price of a list that has not changed.
-- params:  owner_id text
-- returns: maybe (sequence int8)
-- index:   owners_pkey
--
-- No row, no task ever.
SELECT o.sequence
  FROM owners AS o
 WHERE o.owner_id = :owner_id;
