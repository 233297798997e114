-- tasks/change: change the members of a task that the patch has, and no others, if its version is one that is wanted.
-- params:  owner_id text, id uuid, patch jsonb, Versions, max_bytes int8?
-- returns: maybe (current_version int8, Used?, Task?)
-- index:   owners_pkey, tasks_pkey
--
-- No row: there is no such task. Nothing is changed where the task's columns are null, as the current version is not
-- wanted, or where `used_…` says what the owner has, as the task would grow beyond the quota.
--
-- Wanted (null: all) and unwanted versions are arrays of jsonb: for int8[] drivers look the type up on each connection.
-- A member that the patch leaves out keeps its value, one that is null clears it (RFC 7396); a put is a patch of all.
-- Owner first, then task: every write locks in this order. A statement that waited looks at the tables as they were
-- before the wait, but reads anew what it locks: so what is written comes from `me` and `was`.
WITH me AS MATERIALIZED (
    SELECT o.sequence + 1 AS next, o.open, o.completed, o.bytes, o.epoch
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       FOR UPDATE
), was AS MATERIALIZED (
    SELECT t AS task, t.completed, t.updated_at, t.version,
           octet_length(t.title) + coalesce(octet_length(t.description), 0) AS size
      FROM tasks AS t
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       AND num_nulls(t.deleted_at) = 1
       AND (SELECT me.next FROM me) > 0
       FOR UPDATE
), new AS MATERIALIZED (
    SELECT p.id, p.owner_id, p.title, p.description, p.completed, p.created_at,
           greatest(was.updated_at, now()) AS updated_at, greatest(was.version + 1, me.epoch) AS version,
           me.next AS sequence, s.growth,
           coalesce(s.growth > 0 AND me.bytes + s.growth > :max_bytes::int8, false) AS too_large
      FROM me, was, jsonb_populate_record(was.task, :patch) AS p,
           LATERAL (SELECT octet_length(p.title) + coalesce(octet_length(p.description), 0) - was.size AS growth) AS s
     WHERE (:wanted::jsonb IS NULL OR :wanted @> to_jsonb(was.version))
       AND NOT :unwanted::jsonb @> to_jsonb(was.version)
), changed AS (
    UPDATE tasks AS t
       SET title = new.title, description = new.description, completed = new.completed,
           updated_at = new.updated_at, version = new.version, sequence = new.sequence
      FROM new
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       AND NOT new.too_large
), counted AS (
    UPDATE owners AS o
       SET sequence = me.next,
           open = me.open + was.completed::int4 - new.completed::int4,
           completed = me.completed - was.completed::int4 + new.completed::int4,
           bytes = me.bytes + new.growth
      FROM me, was, new
     WHERE o.owner_id = :owner_id
       AND NOT new.too_large
)
SELECT was.version AS current_version,
       CASE WHEN new.too_large THEN me.open + me.completed END AS used_tasks,
       CASE WHEN new.too_large THEN me.bytes END AS used_bytes,
       new.id, new.owner_id, new.title, new.description, new.completed, new.created_at, new.updated_at, new.version
  FROM me, was
  LEFT JOIN new ON true;
