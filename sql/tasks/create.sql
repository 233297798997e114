-- tasks/create: a new task of the owner's.
-- params:  owner_id text, id uuid, title text, description text?, completed bool
-- returns: one (id uuid, owner_id text, title text, description text?, completed bool, created_at timestamptz,
--          updated_at timestamptz, version int8)
--
-- The owner's row comes first: it is the lock, and the number of this change. Nothing can make a new task fail afterwards but a
-- fault that undoes both, so numbers have no gaps. Times and version are the table's defaults.
WITH me AS (
    INSERT INTO owners AS o (owner_id, sequence, open, completed)
    VALUES (:owner_id, 1, (NOT :completed)::int4, :completed::int4)
    ON CONFLICT (owner_id) DO UPDATE
       SET sequence = o.sequence + 1,
           open = o.open + EXCLUDED.open,
           completed = o.completed + EXCLUDED.completed
    RETURNING o.sequence
)
INSERT INTO tasks AS t (owner_id, id, title, description, completed, sequence)
SELECT :owner_id, :id, :title, :description, :completed::bool, me.sequence
  FROM me
RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at, t.version;
