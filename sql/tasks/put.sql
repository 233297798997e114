-- tasks/put: put a task where the client says, new or in place of the one that is there, if its version is one that is wanted.
-- params:  owner_id text, id uuid, title text, description text?, completed bool, wanted jsonb?, unwanted jsonb,
--          may_create bool, max_tasks int8?, max_bytes int8?
-- returns: one (created bool, again bool, current_version int8?, id uuid?, owner_id text?, title text?, description text?,
--          completed bool?, created_at timestamptz?, updated_at timestamptz?, version int8?, used_tasks int8?, used_bytes int8?)
-- index:   owners_pkey, tasks_pkey
--
-- Nulls for the task: nothing was changed. Then `again` asks to be run again; where `used_…` tells what the owner has, it would grow
-- beyond a quota; and otherwise the version that is there (null: none) is not wanted.
--
-- `again` is for rows that this statement's snapshot cannot show, because they were committed while it waited for the owner's row:
-- a task with this very id, or the owner's row itself. A unique key refuses the insert in both cases, and the next run sees them.
-- A full quota that was found after a wait is looked at again, too: the task may be there, and then only its growth counts.
-- That is rarer than a second round trip for every put.
--
-- A new task starts with the change's number as its version. No version is ever above its owner's sequence, so this one
-- is above whatever a deleted task with the same id had, and an old ETag can never fit the new task.
WITH me AS MATERIALIZED (
    SELECT o.sequence + 1 AS next, o.open, o.completed, o.bytes
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       FOR UPDATE
), was AS MATERIALIZED (
    SELECT t.completed, t.version, me.next, octet_length(t.title) + coalesce(octet_length(t.description), 0) AS size,
           (:wanted::jsonb IS NULL OR :wanted @> to_jsonb(t.version)) AND NOT :unwanted::jsonb @> to_jsonb(t.version) AS fits
      FROM tasks AS t, me
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       FOR UPDATE OF t
), new AS (
    SELECT octet_length(:title) + coalesce(octet_length(:description), 0) AS size
), used AS MATERIALIZED (
    -- Only where a quota stands in the way: of a new task, or of one that grows.
    SELECT coalesce(me.open + me.completed, 0) AS tasks, CASE WHEN me.next IS NULL THEN 0 ELSE me.bytes END AS bytes,
           me.next <> (SELECT o.sequence + 1 FROM owners AS o WHERE o.owner_id = :owner_id) AS waited
      FROM new
      LEFT JOIN me ON true
      LEFT JOIN was ON true
     WHERE CASE WHEN was.version IS NULL
                THEN :may_create AND (me.open + me.completed >= :max_tasks OR coalesce(me.bytes, 0) + new.size > :max_bytes::int8)
                ELSE was.fits AND new.size > was.size AND me.bytes + new.size - was.size > :max_bytes END
), born AS (
    -- The owner's first write, if it may be one.
    INSERT INTO owners AS o (owner_id, sequence, open, completed, bytes)
    SELECT :owner_id, 1, (NOT :completed)::int4, :completed::int4, new.size
      FROM new
     WHERE :may_create
       AND NOT EXISTS (SELECT FROM me)
       AND NOT EXISTS (SELECT FROM used)
    ON CONFLICT (owner_id) DO NOTHING
    RETURNING o.sequence AS next
), made AS (
    INSERT INTO tasks AS t (owner_id, id, title, description, completed, version, sequence)
    SELECT :owner_id, :id, :title, :description, :completed::bool, free.next, free.next
      FROM (SELECT me.next FROM me WHERE :may_create AND NOT EXISTS (SELECT FROM was) AND NOT EXISTS (SELECT FROM used)
             UNION ALL
            SELECT born.next FROM born) AS free
    ON CONFLICT (owner_id, id) DO NOTHING
    RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at, t.version
), changed AS (
    UPDATE tasks AS t
       SET title = :title,
           description = :description,
           completed = :completed,
           updated_at = now(),
           version = t.version + 1,
           sequence = was.next
      FROM was
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       AND was.fits
       AND NOT EXISTS (SELECT FROM used)
    RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at, t.version
), now_there AS (
    SELECT true AS created, m.id, m.owner_id, m.title, m.description, m.completed, m.created_at, m.updated_at, m.version
      FROM made AS m
     UNION ALL
    SELECT false, c.id, c.owner_id, c.title, c.description, c.completed, c.created_at, c.updated_at, c.version
      FROM changed AS c
), counted AS (
    -- Not for a first write: its row was born with these counts.
    UPDATE owners AS o
       SET sequence = me.next,
           open = me.open - coalesce((NOT was.completed)::int4, 0) + (NOT n.completed)::int4,
           completed = me.completed - coalesce(was.completed::int4, 0) + n.completed::int4,
           bytes = me.bytes - coalesce(was.size, 0) + new.size
      FROM now_there AS n, new, me
      LEFT JOIN was ON true
     WHERE o.owner_id = :owner_id
)
SELECT coalesce(n.created, false) AS created,
       :may_create AND was.version IS NULL AND n.id IS NULL AND coalesce(used.waited, used.tasks IS NULL) AS again,
       was.version AS current_version,
       n.id, n.owner_id, n.title, n.description, n.completed, n.created_at, n.updated_at, n.version,
       used.tasks AS used_tasks, used.bytes AS used_bytes
  FROM (SELECT) AS one_row
  LEFT JOIN was ON true
  LEFT JOIN now_there AS n ON true
  LEFT JOIN used ON true
 LIMIT 1;
