-- tasks/patch_once: tasks/patch for a request with a key, or what that was answered before.
-- params:  owner_id text, key text, fingerprint bytea, id uuid, patch jsonb, wanted jsonb?, unwanted jsonb,
--          max_bytes int8?
-- returns: maybe (replayed bool, fingerprint bytea?, status int4?, task_id uuid?, version int8?, answer text?,
--          used_tasks int8?, used_bytes int8?)
-- index:   idempotency_keys_pkey, idempotency_keys_oldest, owners_pkey, tasks_pkey
-- repeatable: the key and its answer are stored with the change or not at all, and the second run finds them
--
-- As in tasks/create_once, no row means that another request with the key is at work. The refusals, 404 and 412, are kept answers,
-- too: what a client was told once stays told, and so a claim is tried whether or not the task is there. A quota that is in the way
-- (then `used_…` tells what the owner has) is not kept: the same request may be sent again once there is room.
-- The task as it will be is worked out before it is written, because the key is inserted with its answer: a row
-- that a statement inserted it cannot update. An empty patch is answered and changes nothing.
WITH known AS (
    SELECT k.fingerprint, k.status, k.task_id, k.version, k.answer
      FROM idempotency_keys AS k
     WHERE k.owner_id = :owner_id
       AND k.key = :key
), gate AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended(:key, hashtextextended(:owner_id, 0))) AS open
     WHERE NOT EXISTS (SELECT FROM known)
), me AS MATERIALIZED (
    SELECT o.sequence + 1 AS next, o.open, o.completed, o.bytes
      FROM owners AS o, gate
     WHERE o.owner_id = :owner_id
       AND gate.open
       FOR UPDATE OF o
), was AS MATERIALIZED (
    SELECT t AS task, t.id, t.owner_id, t.version, t.completed, t.created_at, t.updated_at, me.next,
           octet_length(t.title) + coalesce(octet_length(t.description), 0) AS size,
           (:wanted::jsonb IS NULL OR :wanted @> to_jsonb(t.version)) AND NOT :unwanted::jsonb @> to_jsonb(t.version) AS fits
      FROM tasks AS t, me
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       FOR UPDATE OF t
), new AS MATERIALIZED (
    SELECT p.title, p.description, p.completed, was.created_at,
           octet_length(p.title) + coalesce(octet_length(p.description), 0) AS size,
           CASE WHEN :patch::jsonb = '{}' THEN was.updated_at ELSE now() END AS updated_at,
           CASE WHEN :patch = '{}' THEN was.version ELSE was.version + 1 END AS version
      FROM was, jsonb_populate_record(was.task, :patch) AS p
     WHERE was.fits
), used AS MATERIALIZED (
    -- Only where the quota stands in the way.
    SELECT me.open + me.completed AS tasks, me.bytes
      FROM me, was, new
     WHERE new.size > was.size
       AND me.bytes + new.size - was.size > :max_bytes::int8
), claimed AS (
    INSERT INTO idempotency_keys AS k (owner_id, key, fingerprint, status, task_id, version, answer)
    SELECT :owner_id, :key, :fingerprint,
           CASE WHEN was.fits THEN 200 WHEN was.version IS NOT NULL THEN 412 ELSE 404 END,
           :id,
           CASE WHEN was.fits THEN new.version ELSE was.version END,
           CASE WHEN was.fits THEN
               (SELECT row_to_json(a)::text
                  FROM (SELECT was.id, was.owner_id, new.title, new.description, new.completed,
                               to_char(new.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
                               to_char(new.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS updated_at,
                               new.version) AS a) END
      FROM gate
      LEFT JOIN was ON true
      LEFT JOIN new ON true
     WHERE gate.open
       AND NOT EXISTS (SELECT FROM used)
    ON CONFLICT (owner_id, key) DO NOTHING
    RETURNING k.fingerprint, k.status, k.task_id, k.version, k.answer
), changed AS (
    UPDATE tasks AS t
       SET title = new.title,
           description = new.description,
           completed = new.completed,
           updated_at = new.updated_at,
           version = new.version,
           sequence = was.next
      FROM was, new, claimed
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       AND new.version <> was.version
    RETURNING t.completed
), counted AS (
    UPDATE owners AS o
       SET sequence = me.next,
           open = me.open + was.completed::int4 - changed.completed::int4,
           completed = me.completed - was.completed::int4 + changed.completed::int4,
           bytes = me.bytes - was.size + new.size
      FROM me, was, new, changed
     WHERE o.owner_id = :owner_id
), swept AS (
    -- Each new key takes up to ten with it that are older than a day.
    DELETE FROM idempotency_keys AS k
     USING (SELECT e.key
              FROM idempotency_keys AS e, claimed
             WHERE e.owner_id = :owner_id
               AND e.created_at < now() - interval '24 hours'
             ORDER BY e.created_at
             LIMIT 10) AS expired
     WHERE k.owner_id = :owner_id
       AND k.key = expired.key
)
SELECT false AS replayed, c.fingerprint, c.status, c.task_id, c.version, c.answer,
       NULL::int8 AS used_tasks, NULL::int8 AS used_bytes
  FROM claimed AS c
 UNION ALL
SELECT true, k.fingerprint, k.status, k.task_id, k.version, k.answer, NULL, NULL
  FROM known AS k
 UNION ALL
SELECT false, NULL, NULL, NULL, NULL, NULL, used.tasks, used.bytes
  FROM used
 LIMIT 1;
