SET lock_timeout = '2s';

-- The response to each request with an Idempotency-Key, as it was sent. One transaction claims the row and fills it
-- in, so no other transaction sees one without a response.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    owner_id    text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fingerprint bytea       NOT NULL,
    -- squawk-ignore prefer-bigint-over-int
    status      integer, -- three digits
    headers     text,
    body        text,
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (owner_id, key),
    CONSTRAINT idempotency_keys_owner_id_length CHECK (char_length(owner_id) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_fingerprint_length CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT idempotency_keys_status_range CHECK (status BETWEEN 200 AND 599),
    CONSTRAINT idempotency_keys_answered CHECK ((status IS NULL) = (headers IS NULL) AND (status IS NULL) = (body IS NULL))
);

CREATE INDEX IF NOT EXISTS idempotency_keys_oldest ON idempotency_keys (owner_id, created_at);

-- As for tasks: let the planner assume a thousand rows an owner.
ALTER TABLE idempotency_keys ALTER COLUMN owner_id SET (n_distinct = -0.001);

COMMENT ON TABLE idempotency_keys IS 'Responses kept for repeats. The owner''s later writes purge them, after 24 hours at the earliest.';
COMMENT ON COLUMN idempotency_keys.owner_id IS 'Whose key it is; 1 to 255 characters.';
COMMENT ON COLUMN idempotency_keys.key IS 'As the client sent it, without quotes: 1 to 255 visible ASCII characters.';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'SHA-256 over method, path and body as parsed: a repeat must be the same request.';
COMMENT ON COLUMN idempotency_keys.status IS 'The response''s status code; null only within the transaction that claims the key.';
COMMENT ON COLUMN idempotency_keys.headers IS 'The response''s own headers: a JSON array of [name, value].';
COMMENT ON COLUMN idempotency_keys.body IS 'The response''s body, to the byte; empty if it has none.';
COMMENT ON COLUMN idempotency_keys.created_at IS 'When the transaction that claimed the key began.';
COMMENT ON INDEX idempotency_keys_oldest IS 'An owner''s kept responses, oldest first, for the sweep.';
