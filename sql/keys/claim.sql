-- keys/claim: take an Idempotency-Key for this transaction.
-- params:  owner_id text, key text, fingerprint bytea
-- returns: count
--
-- Runs first in the transaction that carries out the request. 0: the request was answered before, see keys/get.
-- Waits while another transaction holds the key.
INSERT INTO idempotency_keys AS k (owner_id, key, fingerprint)
VALUES (:owner_id, :key, :fingerprint)
ON CONFLICT (owner_id, key) DO NOTHING;
