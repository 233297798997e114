-- keys/claim: take an Idempotency-Key for this transaction.
-- params:  owner_id text, key text, fingerprint bytea
-- returns: count
--
-- First in the transaction that carries the request out and keeps its answer. 0: it was answered before, see keys/get.
-- While another transaction has the key this waits for it.
INSERT INTO idempotency_keys AS k (owner_id, key, fingerprint)
VALUES (:owner_id, :key, :fingerprint)
ON CONFLICT (owner_id, key) DO NOTHING;
