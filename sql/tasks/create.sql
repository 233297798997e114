-- tasks/create: a new task of the owner's, unless a quota stands in the way.
-- params:  owner_id text, id uuid, title text, description text?, completed bool, max_tasks int8?, max_bytes int8?
-- returns: one (id uuid?, owner_id text?, title text?, description text?, completed bool?, created_at timestamptz?,
--          updated_at timestamptz?, version int8?, used_tasks int8?, used_bytes int8?)
-- index:   owners_pkey
--
-- Nulls for the task: there is no room for it under a quota (null: no quota), nothing was changed, and what the owner has is told.
--
-- The owner's row comes first: it is the lock, the number of this change, and where the quota is held against the newest counts.
-- Nothing can make a new task fail afterwards but a fault that undoes both, so numbers have no gaps. Bytes that are not counted yet
-- (null) refuse nothing. Times and version are the table's defaults.
WITH me AS (
    INSERT INTO owners AS o (owner_id, sequence, open, completed, bytes)
    SELECT :owner_id, 1, (NOT :completed)::int4, :completed::int4, new.size
      FROM (SELECT octet_length(:title) + coalesce(octet_length(:description), 0) AS size) AS new
     WHERE (new.size > :max_bytes::int8) IS NOT TRUE
    ON CONFLICT (owner_id) DO UPDATE
       SET sequence = o.sequence + 1,
           open = o.open + EXCLUDED.open,
           completed = o.completed + EXCLUDED.completed,
           bytes = o.bytes + EXCLUDED.bytes
     WHERE (o.open + o.completed >= :max_tasks OR o.bytes + EXCLUDED.bytes > :max_bytes) IS NOT TRUE
    RETURNING o.sequence
), made AS (
    INSERT INTO tasks AS t (owner_id, id, title, description, completed, sequence)
    SELECT :owner_id, :id, :title, :description, :completed, me.sequence
      FROM me
    RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at, t.version
), used AS (
    -- Only where nothing was made. The lock is held already; asking for it again is what shows the newest row.
    SELECT o.open + o.completed AS tasks, o.bytes
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       AND NOT EXISTS (SELECT FROM me)
       FOR UPDATE
)
SELECT m.id, m.owner_id, m.title, m.description, m.completed, m.created_at, m.updated_at, m.version,
       CASE WHEN m.id IS NULL THEN coalesce(used.tasks, 0) END AS used_tasks,
       CASE WHEN m.id IS NULL THEN CASE WHEN used.tasks IS NULL THEN 0 ELSE used.bytes END END AS used_bytes
  FROM (SELECT) AS one_row
  LEFT JOIN made AS m ON true
  LEFT JOIN used ON true
 LIMIT 1;
