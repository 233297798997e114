SET lock_timeout = '5s';

-- One row a task. The owner leads the key: it is the isolation boundary, the prefix of every index, and the column to
-- distribute by should one machine not be enough. Nobody can learn from a duplicate-key error that another owner's id exists.
--
-- Every limit of the HTTP contract stands here again, so that no statement, no other client and no mistake of ours can store
-- what a client cannot read back. text and CHECK, no varchar, enum or domain: those cost a rewrite to widen, or make drivers
-- look the type up on every new connection.
--
-- No CHECK says updated_at >= created_at: a clock that is set back must not make a task unwritable.
CREATE TABLE IF NOT EXISTS tasks (
    owner_id    text        NOT NULL,
    id          uuid        NOT NULL,
    title       text        NOT NULL,
    description text,
    completed   boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    version     bigint      NOT NULL DEFAULT 1,

    CONSTRAINT tasks_pkey PRIMARY KEY (owner_id, id),

    CONSTRAINT tasks_owner_id_length CHECK (char_length(owner_id) BETWEEN 1 AND 255),
    CONSTRAINT tasks_title_length CHECK (char_length(title) BETWEEN 1 AND 255),
    -- In "C" white space is ASCII white space on every server; another collation would ask the operating system. So this
    -- refuses less than the service does (which knows Unicode's blanks too), and never more.
    CONSTRAINT tasks_title_not_blank CHECK (title COLLATE "C" ~ '[^[:space:]]'),
    CONSTRAINT tasks_description_length CHECK (char_length(description) <= 2000),
    -- One infinite or far-off timestamp would break every list it is in: clients and drivers read the years 1 to 9999.
    CONSTRAINT tasks_created_at_range
        CHECK (created_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    CONSTRAINT tasks_updated_at_range
        CHECK (updated_at BETWEEN '1970-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'),
    CONSTRAINT tasks_version_positive CHECK (version >= 1)
);

-- The order of the list. The id settles equal timestamps, which makes paging stable. None of the columns that an update
-- changes is indexed, so that updates can stay within their page (HOT) and leave both indexes alone.
CREATE INDEX IF NOT EXISTS tasks_newest ON tasks (owner_id, created_at DESC, id DESC);

COMMENT ON TABLE tasks IS 'Tasks. Each row belongs to one owner; no statement of the service reads or writes across owners.';
COMMENT ON COLUMN tasks.owner_id IS 'The subject of the owner''s token, as its issuer spells it; 1 to 255 characters. Never changes.';
COMMENT ON COLUMN tasks.id IS 'UUID version 7, made by the service; unique per owner.';
COMMENT ON COLUMN tasks.title IS '1 to 255 characters, not only white space.';
COMMENT ON COLUMN tasks.description IS 'Up to 2000 characters; null where there is none.';
COMMENT ON COLUMN tasks.completed IS 'Whether the owner has ticked the task off.';
COMMENT ON COLUMN tasks.created_at IS 'When the task was made; leads the order of lists, newest first.';
COMMENT ON COLUMN tasks.updated_at IS 'When the row last changed; an update that changes nothing leaves it.';
COMMENT ON COLUMN tasks.version IS 'Starts at 1 and rises by one with every change of the row: the ETag.';
COMMENT ON INDEX tasks_newest IS 'One page of an owner''s tasks, newest first.';
