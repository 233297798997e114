-- tasks/patch: change the members of a task that the patch has, and no others, if its version is one that is wanted.
-- params:  owner_id text, id uuid, patch jsonb, wanted jsonb?, unwanted jsonb, max_bytes int8?
-- returns: maybe (current_version int8, id uuid?, owner_id text?, title text?, description text?, completed bool?,
--          created_at timestamptz?, updated_at timestamptz?, version int8?, used_tasks int8?, used_bytes int8?)
-- index:   owners_pkey, tasks_pkey
--
-- No row: there is no such task. A row with nulls for the task: nothing was changed, because its version, which is told, is not
-- wanted, or, where `used_…` tells what the owner has, because it would grow beyond the quota. What does not grow always may.
--
-- Wanted (null: all) and unwanted versions are arrays of jsonb: for int8[] the driver asks the server about the type on every new
-- connection. A member that the patch leaves out keeps the row's value, one that is null clears it (RFC 7396). Only the columns
-- named here can change, whatever else the patch has.
--
-- Owner first, then task: every write locks in this order. Whoever waited here looks at the tables as they were before the
-- wait; what a lock or an update touches is read anew, so `me`, `was` and the updates have the newest rows. An update works its
-- new row out of the old look first, though, and holds it against the CHECKs before it looks anew: so counts come from `me` and
-- `was`, never from the row that is updated. Where no task is found nothing is locked.
WITH me AS MATERIALIZED (
    SELECT o.sequence + 1 AS next, o.open, o.completed, o.bytes
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       FOR UPDATE
), was AS MATERIALIZED (
    SELECT t AS task, t.completed, t.version, me.next, octet_length(t.title) + coalesce(octet_length(t.description), 0) AS size,
           (:wanted::jsonb IS NULL OR :wanted @> to_jsonb(t.version)) AND NOT :unwanted::jsonb @> to_jsonb(t.version) AS fits
      FROM tasks AS t, me
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       FOR UPDATE OF t
), changed AS (
    UPDATE tasks AS t
       SET title = new.title,
           description = new.description,
           completed = new.completed,
           updated_at = now(),
           version = t.version + 1,
           sequence = was.next
      FROM me, was,
           LATERAL (SELECT p.title, p.description, p.completed,
                           octet_length(p.title) + coalesce(octet_length(p.description), 0) AS size
                      FROM jsonb_populate_record(was.task, :patch) AS p) AS new
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       AND was.fits
       AND (new.size > was.size AND me.bytes + new.size - was.size > :max_bytes::int8) IS NOT TRUE
    RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at, t.version,
              octet_length(t.title) + coalesce(octet_length(t.description), 0) AS size
), counted AS (
    UPDATE owners AS o
       SET sequence = me.next,
           open = me.open + was.completed::int4 - changed.completed::int4,
           completed = me.completed - was.completed::int4 + changed.completed::int4,
           bytes = me.bytes - was.size + changed.size
      FROM me, was, changed
     WHERE o.owner_id = :owner_id
)
SELECT was.version AS current_version, c.id, c.owner_id, c.title, c.description, c.completed, c.created_at, c.updated_at, c.version,
       CASE WHEN was.fits AND c.id IS NULL THEN me.open + me.completed END AS used_tasks,
       CASE WHEN was.fits AND c.id IS NULL THEN me.bytes END AS used_bytes
  FROM me, was
  LEFT JOIN changed AS c ON true;
