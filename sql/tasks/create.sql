-- tasks/create: a new task of the owner's.
-- params:  owner_id text, id uuid, title text, description text?, completed bool
-- returns: one (id uuid, owner_id text, title text, description text?, completed bool, created_at timestamptz,
--          updated_at timestamptz)
--
-- Times and version are the table's defaults.
INSERT INTO tasks AS t (owner_id, id, title, description, completed)
VALUES (:owner_id, :id, :title, :description, :completed)
RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at;
