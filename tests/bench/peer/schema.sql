-- The table that both peers use, each in a database of its own.
CREATE TABLE tasks (
    id          uuid         PRIMARY KEY,
    owner_id    text         NOT NULL,
    title       varchar(255) NOT NULL,
    description varchar(2000),
    completed   boolean      NOT NULL DEFAULT false,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    updated_at  timestamptz  NOT NULL DEFAULT now()
);
CREATE INDEX tasks_newest ON tasks (owner_id, created_at DESC, id DESC);
