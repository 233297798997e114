SET lock_timeout = '5s';

-- Expands: everything here is new, and the build before this one works on beside it.
--
-- One row an owner: how many changes there were, and how many tasks there are. Every write locks this row first and raises the
-- sequence in the same statement, so that for each owner commit order is sequence order: whoever has read everything up to n
-- misses nothing by asking for what is above n. (Numbers from CREATE SEQUENCE are handed out before the commit, and a writer that
-- commits late appears behind a reader's back.) Owners never wait for each other.
CREATE TABLE IF NOT EXISTS owners (
    owner_id  text   NOT NULL,
    sequence  bigint NOT NULL DEFAULT 0,
    open      bigint NOT NULL DEFAULT 0,
    completed bigint NOT NULL DEFAULT 0,
    horizon   bigint NOT NULL DEFAULT 0,

    CONSTRAINT owners_pkey PRIMARY KEY (owner_id),
    CONSTRAINT owners_owner_id_length CHECK (char_length(owner_id) BETWEEN 1 AND 255),
    CONSTRAINT owners_counts_not_negative CHECK (open >= 0 AND completed >= 0),
    CONSTRAINT owners_horizon_in_range CHECK (horizon BETWEEN 0 AND sequence)
) WITH (fillfactor = 50); -- the row changes with every write: room to do that within its page

-- What is left of a deleted task, for whoever has not heard of it. Where the same id was put there again, the task counts.
CREATE TABLE IF NOT EXISTS tombstones (
    owner_id   text        NOT NULL,
    id         uuid        NOT NULL,
    sequence   bigint      NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT tombstones_pkey PRIMARY KEY (owner_id, id),
    CONSTRAINT tombstones_sequence_key UNIQUE (owner_id, sequence)
);

-- The first answer to each request that came with an Idempotency-Key, as it was sent.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    owner_id    text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    -- squawk-ignore prefer-bigint-over-int
    status      integer     NOT NULL, -- of three digits
    task_id     uuid        NOT NULL,
    version     bigint,
    answer      text,
    created_at  timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (owner_id, key),
    CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_fingerprint_length CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT idempotency_keys_answered CHECK ((status < 300) = (answer IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS idempotency_keys_oldest ON idempotency_keys (owner_id, created_at);

-- Empty until the backfill, and from here on never in a row that is written.
ALTER TABLE tasks ADD COLUMN IF NOT EXISTS sequence bigint;
-- Added anew two lines on: a file can be run twice.
-- squawk-ignore ban-drop-constraint
ALTER TABLE tasks DROP CONSTRAINT IF EXISTS tasks_sequence_known;
ALTER TABLE tasks ADD CONSTRAINT tasks_sequence_known CHECK (sequence IS NOT NULL) NOT VALID;

-- The build before this one knows nothing of sequence and counts. While it still runs, these triggers keep the books for it; what
-- a newer build writes has a sequence of its own, or a tombstone, and is left alone. 0006 drops them.
-- A task that is not backfilled yet is not counted yet. No sequence is below its task's version: see sql/tasks/put.sql.
CREATE OR REPLACE FUNCTION tasks_book_write() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted constant boolean := TG_OP = 'UPDATE' AND OLD.sequence IS NOT NULL;
BEGIN
    INSERT INTO owners AS o (owner_id, sequence, open, completed)
    VALUES (NEW.owner_id, NEW.version, (NOT NEW.completed)::int, NEW.completed::int)
    ON CONFLICT (owner_id) DO UPDATE
       SET sequence = greatest(o.sequence + 1, NEW.version),
           open = o.open + EXCLUDED.open - CASE WHEN counted THEN (NOT OLD.completed)::int ELSE 0 END,
           completed = o.completed + EXCLUDED.completed - CASE WHEN counted THEN OLD.completed::int ELSE 0 END
    RETURNING o.sequence INTO NEW.sequence;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION tasks_book_delete() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM tombstones AS d
                    WHERE d.owner_id = OLD.owner_id AND d.id = OLD.id AND d.sequence > OLD.sequence) THEN
        UPDATE owners AS o
           SET sequence = o.sequence + 1, open = o.open - (NOT OLD.completed)::int, completed = o.completed - OLD.completed::int
         WHERE o.owner_id = OLD.owner_id
        RETURNING o.sequence INTO number;
        INSERT INTO tombstones AS d (owner_id, id, sequence)
        VALUES (OLD.owner_id, OLD.id, number)
        ON CONFLICT (owner_id, id) DO UPDATE SET sequence = EXCLUDED.sequence, deleted_at = EXCLUDED.deleted_at;
    END IF;
    RETURN OLD;
END
$$;

CREATE OR REPLACE TRIGGER tasks_book_insert BEFORE INSERT ON tasks FOR EACH ROW
    WHEN (NEW.sequence IS NULL) EXECUTE FUNCTION tasks_book_write();
CREATE OR REPLACE TRIGGER tasks_book_update BEFORE UPDATE ON tasks FOR EACH ROW
    WHEN (NEW.sequence IS NOT DISTINCT FROM OLD.sequence) EXECUTE FUNCTION tasks_book_write();
CREATE OR REPLACE TRIGGER tasks_book_delete BEFORE DELETE ON tasks FOR EACH ROW
    WHEN (OLD.sequence IS NOT NULL) EXECUTE FUNCTION tasks_book_delete();

COMMENT ON TABLE owners IS 'One row an owner, from the first write on: locked first by every write, read for every total.';
COMMENT ON COLUMN owners.sequence IS 'The number of the owner''s newest change; rises by one with each.';
COMMENT ON COLUMN owners.open IS 'Tasks of the owner that are not completed.';
COMMENT ON COLUMN owners.completed IS 'Tasks of the owner that are.';
COMMENT ON COLUMN owners.horizon IS 'The sequence of the newest tombstone that was removed: who knows less must start again.';
COMMENT ON TABLE tombstones IS 'Deleted tasks; removed a few at a time by the same owner''s later deletes, 30 days on at the earliest.';
COMMENT ON TABLE idempotency_keys IS 'First answers, for repeats; removed a few at a time by the same owner''s later keys, 24 hours on at the earliest.';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'SHA-256 over method, path and body: a repeat must be the same request.';
COMMENT ON COLUMN idempotency_keys.task_id IS 'The task that the request was about.';
COMMENT ON COLUMN idempotency_keys.version IS 'The ETag of the answer; null where there was no task.';
COMMENT ON COLUMN idempotency_keys.answer IS 'The body, to the byte; null where the answer was a refusal.';
COMMENT ON COLUMN tasks.sequence IS 'The number of the change that made the row what it is: see owners.';
