SET lock_timeout = '2s';

-- One row for each task, deleted ones included until they are purged. The owner leads the key: it is the isolation
-- boundary, the prefix of every index, and the distribution column. So a duplicate-key error never reveals another
-- owner's id.
--
-- CHECKs repeat every limit of the HTTP contract, so that no other client and no bug can store what a client cannot
-- read back. text and CHECK, not varchar, enum or domain: those need a rewrite to widen, or a type lookup on every new
-- connection.
--
-- No CHECK (updated_at >= created_at): a clock that is set back must not make a task unwritable.
CREATE TABLE IF NOT EXISTS tasks (
    owner_id    text COLLATE "C" NOT NULL,
    id          uuid        NOT NULL,
    title       text        NOT NULL,
    description text,
    completed   boolean     NOT NULL DEFAULT false,
    priority    text        NOT NULL DEFAULT 'medium',
    tags        text[]      NOT NULL DEFAULT '{}',
    due_at      timestamptz,
    due_all_day boolean     NOT NULL DEFAULT false,
    time_zone   text,
    recurrence  text,
    position    float8,
    completed_at timestamptz,
    size        bigint      NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz,
    erased      boolean     NOT NULL DEFAULT false,
    version     bigint      NOT NULL DEFAULT 1,
    sequence    bigint      NOT NULL,

    CONSTRAINT tasks_pkey PRIMARY KEY (owner_id, id),

    CONSTRAINT tasks_owner_id_length CHECK (char_length(owner_id) BETWEEN 1 AND 255),
    CONSTRAINT tasks_title_length CHECK (char_length(title) BETWEEN 1 AND 255),
    -- In "C" white space is ASCII white space on every server; another collation depends on the operating system. So
    -- this refuses less than the service (which knows Unicode's white space), and never more.
    CONSTRAINT tasks_title_not_blank CHECK (title COLLATE "C" ~ '[^[:space:]]'),
    CONSTRAINT tasks_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT tasks_tags_number CHECK (cardinality(tags) <= 20 AND array_position(tags, NULL) IS NULL),
    CONSTRAINT tasks_tags_length CHECK (char_length(array_to_string(tags, '')) <= 1000),
    CONSTRAINT tasks_due_at_range
        CHECK (due_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    CONSTRAINT tasks_due_all_day_at_midnight
        CHECK (NOT due_all_day OR (due_at IS NOT NULL AND date_trunc('day', due_at, 'UTC') = due_at)),
    CONSTRAINT tasks_time_zone_of_an_instant
        CHECK (char_length(time_zone) <= 64 AND due_at IS NOT NULL AND NOT due_all_day OR time_zone IS NULL),
    CONSTRAINT tasks_recurrence_of_a_due_date
        CHECK (char_length(recurrence) <= 255 AND due_at IS NOT NULL OR recurrence IS NULL),
    CONSTRAINT tasks_position_finite CHECK (position NOT IN ('NaN', 'Infinity', '-Infinity')),
    CONSTRAINT tasks_completed_at_of_completed CHECK (completed = (completed_at IS NOT NULL)),
    CONSTRAINT tasks_completed_at_range
        CHECK (completed_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    CONSTRAINT tasks_erased_of_deleted CHECK (NOT erased OR deleted_at IS NOT NULL),
    CONSTRAINT tasks_size_not_negative CHECK (size >= 0),
    CONSTRAINT tasks_priority_known CHECK (priority IN ('low', 'medium', 'high')),
    -- One infinite or far-off timestamp would break every list that has it: clients and drivers read years 1 to 9999.
    CONSTRAINT tasks_created_at_range
        CHECK (created_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    CONSTRAINT tasks_updated_at_range
        CHECK (updated_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    CONSTRAINT tasks_deleted_at_range
        CHECK (deleted_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    -- A task PUT at a deleted one's id starts at the sequence, so that no ETag matches two states.
    CONSTRAINT tasks_version_in_range CHECK (version BETWEEN 1 AND sequence)
);

-- For lists. The id breaks ties of equal timestamps, so that paging is stable. A list of both states merges two scans.
CREATE INDEX IF NOT EXISTS tasks_newest ON tasks (owner_id, completed, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;

-- For the feed of changes: deleted tasks have their own index, which the trash and the sweep use too.
-- The cost: each change has a new sequence, so no update of a task is HOT: twice the WAL and an eighth more work. The
-- index is sparse, and grows to about five times its size when new. Without the two, a page of the feed reads all of
-- the owner's tasks: 14 ms instead of 0.5 for 10,000 tasks, 400 ms for 100,000.
CREATE UNIQUE INDEX IF NOT EXISTS tasks_changed ON tasks (owner_id, sequence) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS tasks_deleted ON tasks (owner_id, sequence) WHERE deleted_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS tasks_trash ON tasks (owner_id, sequence) WHERE deleted_at IS NOT NULL AND NOT erased;

-- ANALYZE samples few rows of each owner, so the planner would take every owner for a small one. Let it assume a
-- thousand rows an owner: then a plan that reads more than it needs never looks as cheap.
ALTER TABLE tasks ALTER COLUMN owner_id SET (n_distinct = -0.001);

COMMENT ON TABLE tasks IS 'Tasks, deleted ones too. Each row belongs to one owner; no statement of the service reads or writes across owners.';
COMMENT ON COLUMN tasks.owner_id IS 'The subject of the owner''s token, as its issuer spells it; 1 to 255 characters. Never changes.';
COMMENT ON COLUMN tasks.id IS 'Made by the service (UUID version 7), or chosen by the client with PUT; unique per owner.';
COMMENT ON COLUMN tasks.title IS '1 to 255 characters, not only white space.';
COMMENT ON COLUMN tasks.description IS 'Up to 2000 characters; null for none.';
COMMENT ON COLUMN tasks.completed IS 'Whether the task is done.';
COMMENT ON COLUMN tasks.priority IS 'low, medium or high.';
COMMENT ON COLUMN tasks.tags IS 'Up to 20 distinct texts of 1 to 50 characters, in the client''s order.';
COMMENT ON COLUMN tasks.due_at IS 'When the task is due; for an all-day date, midnight UTC of that day.';
COMMENT ON COLUMN tasks.due_all_day IS 'Whether the task is due on a date, in any time zone, and not at an instant.';
COMMENT ON COLUMN tasks.time_zone IS 'IANA name of the zone that the recurrence follows; null for UTC.';
COMMENT ON COLUMN tasks.recurrence IS 'An RFC 5545 RRULE value, as the client sent it.';
COMMENT ON COLUMN tasks.position IS 'Sort key of the client''s own order.';
COMMENT ON COLUMN tasks.completed_at IS 'When completed last became true; null while it is false.';
COMMENT ON COLUMN tasks.size IS 'Bytes of title, description, tags and recurrence: what the quota counts.';
COMMENT ON COLUMN tasks.created_at IS 'When the task was created; lists are ordered by it, newest first.';
COMMENT ON COLUMN tasks.updated_at IS 'When a member last changed; never goes backwards.';
COMMENT ON COLUMN tasks.deleted_at IS 'When the task was deleted, or null. The owner''s later writes purge it, after 30 days at the earliest.';
COMMENT ON COLUMN tasks.erased IS 'Whether the task was erased from the trash: an empty row, kept for the feed until it is purged.';
COMMENT ON COLUMN tasks.version IS 'The ETag: rises with every change of a member; starts at 1, or at the sequence if the client chose the id.';
COMMENT ON COLUMN tasks.sequence IS 'The number of the row''s last change: see owners.';
COMMENT ON INDEX tasks_newest IS 'One page of an owner''s tasks, newest first.';
COMMENT ON INDEX tasks_changed IS 'An owner''s tasks in the order of their changes.';
COMMENT ON INDEX tasks_trash IS 'An owner''s trash in the order of deletion.';
COMMENT ON INDEX tasks_deleted IS 'An owner''s deleted tasks in the order of their deletion.';
