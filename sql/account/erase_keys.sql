-- account/erase_keys: delete at most :at_most of the owner's kept responses, oldest first.
-- params:  owner_id text, at_most int8
-- returns: count
-- index:   idempotency_keys_oldest, idempotency_keys_pkey
DELETE FROM idempotency_keys AS k
 WHERE k.owner_id = :owner_id
   AND k.key = ANY (ARRAY(SELECT e.key
                            FROM idempotency_keys AS e
                           WHERE e.owner_id = :owner_id
                           ORDER BY e.created_at
                           LIMIT :at_most));
