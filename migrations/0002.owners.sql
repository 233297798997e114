SET lock_timeout = '2s';

-- One row an owner, from the first change on: how many changes there were, and how much the owner has. Every write
-- locks this row first and raises the sequence, so that for each owner commit order is sequence order: a reader who
-- has everything up to n misses nothing by asking for what is above n. (Numbers from CREATE SEQUENCE are handed out
-- before the commit, and a writer that commits late appears behind a reader's back.) Owners never wait for each other.
--
-- The sequence begins with the clock, in microseconds, which nobody writes faster than: an owner who was erased and
-- comes back goes on above all numbers that there were, so that no tag and no sync token of before ever fits again.
--
-- Owner ids and keys are compared by bytes (COLLATE "C"): the same on every server, cheaper, and no index is left
-- wrong by an upgrade of the operating system's collations.
CREATE TABLE IF NOT EXISTS owners (
    owner_id     text COLLATE "C" NOT NULL,
    sequence     bigint      NOT NULL DEFAULT (extract(epoch FROM now()) * 1000000)::bigint + 1,
    open         bigint      NOT NULL DEFAULT 0,
    completed    bigint      NOT NULL DEFAULT 0,
    trash        bigint      NOT NULL DEFAULT 0,
    bytes        bigint      NOT NULL DEFAULT 0,
    horizon      bigint      NOT NULL DEFAULT (extract(epoch FROM now()) * 1000000)::bigint,
    epoch        bigint      NOT NULL DEFAULT 0,
    keys_horizon timestamptz NOT NULL DEFAULT '1970-01-01 00:00:00+00',

    CONSTRAINT owners_pkey PRIMARY KEY (owner_id),
    CONSTRAINT owners_owner_id_length CHECK (char_length(owner_id) BETWEEN 1 AND 255),
    CONSTRAINT owners_counts_not_negative CHECK (open >= 0 AND completed >= 0 AND trash >= 0 AND bytes >= 0),
    CONSTRAINT owners_horizon_in_range CHECK (horizon BETWEEN 0 AND sequence),
    CONSTRAINT owners_epoch_in_range CHECK (epoch BETWEEN 0 AND sequence)
) WITH (fillfactor = 50); -- the row changes with every write: room to do that within its page

COMMENT ON TABLE owners IS 'One row an owner, from the first change on: locked first by every write, read for every total.';
COMMENT ON COLUMN owners.owner_id IS 'The subject of the owner''s token, as its issuer spells it; 1 to 255 characters. Never changes.';
COMMENT ON COLUMN owners.sequence IS 'The number of the owner''s newest change; begins with the clock and rises by one with each.';
COMMENT ON COLUMN owners.open IS 'Tasks of the owner that are neither completed nor deleted.';
COMMENT ON COLUMN owners.completed IS 'Tasks of the owner that are completed and not deleted.';
COMMENT ON COLUMN owners.trash IS 'Deleted tasks of the owner that can be restored.';
COMMENT ON COLUMN owners.bytes IS 'The sizes of the tasks, deleted ones too.';
COMMENT ON COLUMN owners.horizon IS 'The sequence of the newest deleted task that was purged, at first where the sequence began: a copy that knows less must be made anew. No deleted task is at or below it.';
COMMENT ON COLUMN owners.epoch IS 'Raised when a backup was restored: a copy that knows less must be made anew, and no later version of a task is below it.';
COMMENT ON COLUMN owners.keys_horizon IS 'No kept answer of the owner is older: where a sweep begins to look.';
