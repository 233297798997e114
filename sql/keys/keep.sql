-- keys/keep: keep the answer to the request that claimed an Idempotency-Key.
-- params:  owner_id text, key text, KeptAnswer
-- returns: count
-- index:   idempotency_keys_pkey
--
-- Last in the transaction: answer and changes are committed together or not at all. The answer is kept as the text
-- that is sent, so that a repeat is the same to the byte, whatever later builds write.
UPDATE idempotency_keys AS k
   SET status = :status,
       headers = :headers,
       body = :body
 WHERE k.owner_id = :owner_id
   AND k.key = :key;
