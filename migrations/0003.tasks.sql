SET lock_timeout = '2s';

-- One row a task, deleted ones included until they are purged. The owner leads the key: it is the isolation boundary,
-- the prefix of every index, and the column to distribute by. A duplicate-key error tells nobody that another owner's
-- id exists.
--
-- Every limit of the HTTP contract stands here again, so that no statement, no other client and no mistake of ours
-- can store what a client cannot read back. text and CHECK, no varchar, enum or domain: those cost a rewrite to widen,
-- or make drivers look the type up on every new connection.
--
-- No CHECK says updated_at >= created_at: a clock that is set back must not make a task unwritable.
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
    -- In "C" white space is ASCII white space on every server; another collation would ask the operating system. So
    -- this refuses less than the service does (which knows Unicode's blanks too), and never more.
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
    -- One infinite or far-off timestamp would break every list it is in: clients and drivers read the years 1 to 9999.
    CONSTRAINT tasks_created_at_range
        CHECK (created_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    CONSTRAINT tasks_updated_at_range
        CHECK (updated_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    CONSTRAINT tasks_deleted_at_range
        CHECK (deleted_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    -- A task that is put where a deleted one was starts with the number of the change: so no tag fits two states.
    CONSTRAINT tasks_version_in_range CHECK (version BETWEEN 1 AND sequence)
);

-- The lists. The id settles equal timestamps, which makes paging stable. A list of both states merges the two.
CREATE INDEX IF NOT EXISTS tasks_newest ON tasks (owner_id, completed, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;

-- The feed of changes, in two: deleted tasks are looked for apart, by the feed, the trash and the sweep.
-- Their price: as each change has a new number, an update of a task is never HOT, which is twice the WAL and an eighth
-- more work; and few entries stay on each page, so that the index grows to some five times its size when new. Without
-- them a page of the feed reads all of the owner's tasks: 0.5 ms become 14 for 10,000 tasks, and 400 for 100,000.
CREATE UNIQUE INDEX IF NOT EXISTS tasks_changed ON tasks (owner_id, sequence) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS tasks_deleted ON tasks (owner_id, sequence) WHERE deleted_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS tasks_trash ON tasks (owner_id, sequence) WHERE deleted_at IS NOT NULL AND NOT erased;

-- A sample of the rows shows few of each owner's, and the planner then takes every owner for a small one. It is to
-- think of a thousand rows an owner: then no plan that walks more than it needs looks as cheap as one that does not.
ALTER TABLE tasks ALTER COLUMN owner_id SET (n_distinct = -0.001);

COMMENT ON TABLE tasks IS 'Tasks, deleted ones too. Each row belongs to one owner; no statement of the service reads or writes across owners.';
COMMENT ON COLUMN tasks.owner_id IS 'The subject of the owner''s token, as its issuer spells it; 1 to 255 characters. Never changes.';
COMMENT ON COLUMN tasks.id IS 'Made by the service (UUID version 7), or chosen by the client who put the task; unique per owner.';
COMMENT ON COLUMN tasks.title IS '1 to 255 characters, not only white space.';
COMMENT ON COLUMN tasks.description IS 'Up to 2000 characters; null where there is none.';
COMMENT ON COLUMN tasks.completed IS 'Whether the owner has ticked the task off.';
COMMENT ON COLUMN tasks.priority IS 'low, medium or high.';
COMMENT ON COLUMN tasks.tags IS 'Up to 20 texts of 1 to 50 characters, none twice, in the client''s order.';
COMMENT ON COLUMN tasks.due_at IS 'When it is due; of a day that is due all day its first instant in UTC.';
COMMENT ON COLUMN tasks.due_all_day IS 'Whether it is due on a day, wherever the reader is, and not at an instant.';
COMMENT ON COLUMN tasks.time_zone IS 'An IANA name: whose clock a recurring instant follows, UTC''s without one.';
COMMENT ON COLUMN tasks.recurrence IS 'An RFC 5545 RRULE value, as the client sent it.';
COMMENT ON COLUMN tasks.position IS 'A number by which a client keeps an order of its own.';
COMMENT ON COLUMN tasks.completed_at IS 'When completed last became true; null while it is false.';
COMMENT ON COLUMN tasks.size IS 'Bytes of title, description, tags and recurrence: what the quota counts.';
COMMENT ON COLUMN tasks.created_at IS 'When the task was made; leads the order of lists, newest first.';
COMMENT ON COLUMN tasks.updated_at IS 'When a member last changed; never goes backwards.';
COMMENT ON COLUMN tasks.deleted_at IS 'When the task was deleted, null while it is there. Purged by the same owner''s later writes, 30 days on at the earliest.';
COMMENT ON COLUMN tasks.erased IS 'Whether the trash was emptied of it: an empty row, kept for the feed until it is purged.';
COMMENT ON COLUMN tasks.version IS 'The ETag: rises with every change of a member, starts at 1, or at the sequence where a client chose the id.';
COMMENT ON COLUMN tasks.sequence IS 'The number of the change that made the row what it is: see owners.';
COMMENT ON INDEX tasks_newest IS 'One page of an owner''s tasks, newest first.';
COMMENT ON INDEX tasks_changed IS 'An owner''s tasks in the order of their changes.';
COMMENT ON INDEX tasks_trash IS 'What the owner can restore, in the order of deletion.';
COMMENT ON INDEX tasks_deleted IS 'An owner''s deleted tasks in the order of their deletion.';
