SET lock_timeout = '2s';

-- One row for each owner with a change. Every write locks this row first and raises the sequence, so an owner's
-- commits are in sequence order: a reader that has all up to n misses nothing by asking for what is above n. (CREATE
-- SEQUENCE hands numbers out before the commit: a late commit would appear below n.) Owners never wait for each other.
--
-- The sequence starts at the clock, in microseconds, and no owner writes faster. So an owner who was erased and
-- returns continues above all earlier numbers, and no old ETag or sync token matches again.
--
-- Owner ids and keys compare by bytes (COLLATE "C"): the same on every server, cheaper, and an upgrade of the
-- operating system's collations corrupts no index.
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
) WITH (fillfactor = 50); -- every write updates the row: leave room for HOT updates

COMMENT ON TABLE owners IS 'One row for each owner with a change. Every write locks it first; lists read their total from it.';
COMMENT ON COLUMN owners.owner_id IS 'The subject of the owner''s token, as its issuer spells it; 1 to 255 characters. Never changes.';
COMMENT ON COLUMN owners.sequence IS 'The number of the owner''s newest change; starts at the clock and rises by one with each change.';
COMMENT ON COLUMN owners.open IS 'Tasks of the owner that are neither completed nor deleted.';
COMMENT ON COLUMN owners.completed IS 'Tasks of the owner that are completed and not deleted.';
COMMENT ON COLUMN owners.trash IS 'Deleted tasks of the owner that can be restored.';
COMMENT ON COLUMN owners.bytes IS 'The sizes of the tasks, deleted ones too.';
COMMENT ON COLUMN owners.horizon IS 'The sequence of the newest purged task, at first the sequence''s start. A sync token below it is too old. No deleted task is at or below it.';
COMMENT ON COLUMN owners.epoch IS 'Raised after restoring a backup. A sync token below it is too old, and the next change of a task raises its version to it at least.';
COMMENT ON COLUMN owners.keys_horizon IS 'No kept response of the owner is older: sweeps scan from here.';
