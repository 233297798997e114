-- tasks/patch: change the members of a task that the patch has, and no others.
-- params:  owner_id text, id uuid, patch jsonb
-- returns: maybe (id uuid, owner_id text, title text, description text?, completed bool, created_at timestamptz,
--          updated_at timestamptz)
-- index:   tasks_pkey
--
-- A member that the patch leaves out keeps the row's value, one that is null clears it (RFC 7396). Only the columns
-- named here can change, whatever else the patch has.
UPDATE tasks AS t
   SET (title, description, completed) =
           (SELECT p.title, p.description, p.completed
              FROM jsonb_populate_record(t, :patch) AS p),
       updated_at = now(),
       version = t.version + 1
 WHERE t.owner_id = :owner_id
   AND t.id = :id
RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at;
