-- tasks/change: set the columns of a task that the patch names, if the task's version is wanted.
-- params:  owner_id text, id uuid, patch jsonb, Versions, max_bytes int8?
-- returns: maybe (current_version int8, Used?, Task?)
-- index:   owners_pkey, tasks_pkey
--
-- No row: no such task. The task's columns are NULL if its version is not wanted, or if the change would exceed the
-- quota: then `used_…` has what the owner uses. A PUT is a patch of all members; null clears a member.
-- :wanted (NULL: any) and :unwanted are jsonb arrays, because drivers look up int8[] on every new connection.
-- Every write locks the owner first, then the task. After a lock wait the statement's snapshot is stale, but rows read
-- FOR UPDATE are current: so the new values come from `me` and `was`.
WITH me AS MATERIALIZED (
    SELECT o.sequence + 1 AS next, o.open, o.completed, o.trash, o.bytes, o.epoch
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       FOR UPDATE
), was AS MATERIALIZED (
    SELECT t AS task, t.completed, t.version
      FROM tasks AS t
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       AND num_nulls(t.deleted_at) = 1
       AND (SELECT me.next FROM me) > 0
       FOR UPDATE
), new AS MATERIALIZED (
    SELECT p.id, p.owner_id, p.title, p.description, p.completed, p.priority, p.tags, p.due_at, p.due_all_day,
           p.time_zone, p.recurrence, p.position,
           CASE WHEN p.completed THEN coalesce(p.completed_at, n.instant) END AS completed_at,
           p.created_at, n.instant AS updated_at, greatest(p.version + 1, me.epoch) AS version,
           me.next AS sequence, n.size, n.size - p.size AS growth,
           coalesce(n.size > p.size AND me.bytes + n.size - p.size > :max_bytes::int8, false) AS too_large
      FROM me, was, jsonb_populate_record(was.task, :patch) AS p,
           LATERAL (SELECT greatest(p.updated_at, now()) AS instant, octet_length(
                    concat(p.title, p.description, array_to_string(p.tags, ''), p.recurrence)) AS size) AS n
     WHERE (:wanted::jsonb IS NULL OR :wanted @> to_jsonb(was.version)) AND NOT :unwanted::jsonb @> to_jsonb(was.version)
), changed AS (
    UPDATE tasks AS t
       SET title = new.title, description = new.description, completed = new.completed, priority = new.priority,
           tags = new.tags, due_at = new.due_at, due_all_day = new.due_all_day, time_zone = new.time_zone,
           recurrence = new.recurrence, position = new.position, completed_at = new.completed_at,
           updated_at = new.updated_at, size = new.size, version = new.version, sequence = new.sequence
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
       CASE WHEN new.too_large THEN me.open + me.completed + me.trash END AS used_tasks,
       CASE WHEN new.too_large THEN me.bytes END AS used_bytes,
       new.id, new.owner_id, new.title, new.description, new.completed, new.priority, new.tags, new.due_at,
       new.due_all_day, new.time_zone, new.recurrence, new.position, new.completed_at, new.created_at, new.updated_at, new.version
  FROM me, was LEFT JOIN new ON true;
