-- tasks/get: one task of the owner's.
-- params:  owner_id text, id uuid
-- returns: maybe (id uuid, owner_id text, title text, description text?, completed bool, created_at timestamptz,
--          updated_at timestamptz, version int8)
-- index:   tasks_pkey
SELECT t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at, t.version
  FROM tasks AS t
 WHERE t.owner_id = :owner_id
   AND t.id = :id;
