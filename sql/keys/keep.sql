-- keys/keep: keep the response to the request that claimed an Idempotency-Key.
-- params:  owner_id text, key text, KeptAnswer
-- returns: count
-- index:   idempotency_keys_pkey
--
-- Runs last in the transaction: the response and the changes commit together or not at all. It is kept as the bytes
-- sent, so that a later version repeats exactly the same.
UPDATE idempotency_keys AS k
   SET status = :status,
       headers = :headers,
       body = :body
 WHERE k.owner_id = :owner_id
   AND k.key = :key;
