-- tasks/create: a new task of the owner's, if the quotas (null: none) have room for it.
-- params:  owner_id text, id uuid, title text, description text?, completed bool, max_tasks int8?, max_bytes int8?
-- returns: maybe (id uuid, owner_id text, title text, description text?, completed bool, created_at timestamptz,
--          updated_at timestamptz, version int8)
--
-- No row: there is no room, and nothing was changed.
--
-- The owner's row comes first: it is the lock, the number of this change, and where the quotas are held against the newest counts.
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
)
INSERT INTO tasks AS t (owner_id, id, title, description, completed, sequence)
SELECT :owner_id, :id, :title, :description, :completed::bool, me.sequence
  FROM me
RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at, t.version;
