-- tasks/create_once: a new task of the owner's, or what the request with this key was answered before.
-- params:  owner_id text, key text, fingerprint bytea, id uuid, title text, description text?, completed bool,
--          max_tasks int8?, max_bytes int8?
-- returns: maybe (replayed bool, again bool, fingerprint bytea?, status int4?, task_id uuid?, version int8?, answer text?,
--          used_tasks int8?, used_bytes int8?)
-- index:   idempotency_keys_pkey, idempotency_keys_oldest, owners_pkey
-- repeatable: the key and its answer are stored with the change or not at all, and the second run finds them
--
-- Key, task and answer are stored together or not at all. No row: another request with the key is at work at this moment. A row
-- without an answer: nothing was made. Either a quota is in the way, `used_…` tells what the owner has, and the same request may be
-- sent again once there is room; or it was the owner's first write, `again` is true, and there is now a row to lock: run it again.
--
-- The lock is on the key and tried, never waited for. Whoever has it may still look at the table as it was just before the last
-- holder's commit, and not find the key; then the unique key refuses the claim, and nothing is done and nothing answered either.
-- So the owner's row must not change before the claim, but has to be locked before it, for the quota: unlike tasks/create this
-- cannot do both at once. The answer is stored as the text that is sent, so that a repeat is the same to the byte, whatever later
-- builds write.
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
), born AS (
    INSERT INTO owners AS o (owner_id, bytes)
    SELECT :owner_id, 0
      FROM gate
     WHERE gate.open
       AND NOT EXISTS (SELECT FROM me)
    ON CONFLICT (owner_id) DO NOTHING
), new AS (
    SELECT :id::uuid AS id, :owner_id::text AS owner_id, :title::text AS title, :description::text AS description,
           :completed::bool AS completed, i.instant AS created_at, i.instant AS updated_at, 1::int8 AS version
      FROM (SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS instant) AS i
), used AS MATERIALIZED (
    -- Only where a quota stands in the way.
    SELECT me.open + me.completed AS tasks, me.bytes
      FROM me
     WHERE me.open + me.completed >= :max_tasks
        OR me.bytes + octet_length(:title) + coalesce(octet_length(:description), 0) > :max_bytes::int8
), claimed AS (
    INSERT INTO idempotency_keys AS k (owner_id, key, fingerprint, status, task_id, version, answer)
    SELECT :owner_id, :key, :fingerprint, 201, new.id, new.version, row_to_json(new)::text
      FROM me, new
     WHERE NOT EXISTS (SELECT FROM used)
    ON CONFLICT (owner_id, key) DO NOTHING
    RETURNING k.fingerprint, k.status, k.task_id, k.version, k.answer
), made AS (
    INSERT INTO tasks AS t (owner_id, id, title, description, completed, sequence)
    SELECT :owner_id, :id, :title, :description, :completed, me.next
      FROM me, claimed
), counted AS (
    UPDATE owners AS o
       SET sequence = me.next,
           open = me.open + (NOT :completed)::int4,
           completed = me.completed + :completed::int4,
           bytes = me.bytes + octet_length(:title) + coalesce(octet_length(:description), 0)
      FROM me, claimed
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
SELECT false AS replayed, false AS again, c.fingerprint, c.status, c.task_id, c.version, c.answer,
       NULL::int8 AS used_tasks, NULL::int8 AS used_bytes
  FROM claimed AS c
 UNION ALL
SELECT true, false, k.fingerprint, k.status, k.task_id, k.version, k.answer, NULL, NULL
  FROM known AS k
 UNION ALL
SELECT false, false, NULL, NULL, NULL, NULL, NULL, used.tasks, used.bytes
  FROM used
 UNION ALL
SELECT false, true, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM gate
 WHERE gate.open
   AND NOT EXISTS (SELECT FROM me)
 LIMIT 1;
