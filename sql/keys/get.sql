-- keys/get: the response kept for an Idempotency-Key, and the fingerprint of its request.
-- params:  owner_id text, key text
-- returns: maybe (fingerprint bytea, KeptAnswer?)
-- index:   idempotency_keys_pkey
SELECT k.fingerprint, k.status, k.headers, k.body
  FROM idempotency_keys AS k
 WHERE k.owner_id = :owner_id
   AND k.key = :key;
