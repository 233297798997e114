-- tasks/create_once: a new task of the owner's, or what the request with this key was answered before.
-- params:  owner_id text, key text, fingerprint bytea, id uuid, title text, description text?, completed bool
-- returns: maybe (replayed bool, fingerprint bytea, status int4, task_id uuid, version int8?, answer text?)
-- index:   idempotency_keys_pkey, idempotency_keys_oldest
-- repeatable: the key and its answer are stored with the change or not at all, and the second run finds them
--
-- Key, task and answer are stored together or not at all. No row: another request with the key is at work at this moment.
--
-- The lock is on the key and tried, never waited for. Whoever has it may still look at the table as it was just before the last
-- holder's commit, and not find the key; then the unique key refuses the claim, and nothing is done and nothing answered either.
-- The answer is stored as the text that is sent, so that a repeat is the same to the byte, whatever later builds write.
WITH known AS (
    SELECT k.fingerprint, k.status, k.task_id, k.version, k.answer
      FROM idempotency_keys AS k
     WHERE k.owner_id = :owner_id
       AND k.key = :key
), gate AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended(:key, hashtextextended(:owner_id, 0))) AS open
     WHERE NOT EXISTS (SELECT FROM known)
), new AS (
    SELECT :id::uuid AS id, :owner_id::text AS owner_id, :title::text AS title, :description::text AS description,
           :completed::bool AS completed, i.instant AS created_at, i.instant AS updated_at, 1::int8 AS version
      FROM (SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS instant) AS i
), claimed AS (
    INSERT INTO idempotency_keys AS k (owner_id, key, fingerprint, status, task_id, version, answer)
    SELECT :owner_id, :key, :fingerprint, 201, new.id, new.version, row_to_json(new)::text
      FROM gate, new
     WHERE gate.open
    ON CONFLICT (owner_id, key) DO NOTHING
    RETURNING k.fingerprint, k.status, k.task_id, k.version, k.answer
), me AS (
    INSERT INTO owners AS o (owner_id, sequence, open, completed)
    SELECT :owner_id, 1, (NOT :completed)::int4, :completed::int4
      FROM claimed
    ON CONFLICT (owner_id) DO UPDATE
       SET sequence = o.sequence + 1,
           open = o.open + EXCLUDED.open,
           completed = o.completed + EXCLUDED.completed
    RETURNING o.sequence
), made AS (
    INSERT INTO tasks AS t (owner_id, id, title, description, completed, sequence)
    SELECT :owner_id, :id, :title, :description, :completed, me.sequence
      FROM me
), swept AS (
    -- Each new key takes up to ten with it that are older than a day.
    DELETE FROM idempotency_keys AS k
     USING (SELECT e.key
              FROM idempotency_keys AS e, me
             WHERE e.owner_id = :owner_id
               AND e.created_at < now() - interval '24 hours'
             ORDER BY e.created_at
             LIMIT 10) AS expired
     WHERE k.owner_id = :owner_id
       AND k.key = expired.key
)
SELECT false AS replayed, c.fingerprint, c.status, c.task_id, c.version, c.answer
  FROM claimed AS c
 UNION ALL
SELECT true, k.fingerprint, k.status, k.task_id, k.version, k.answer
  FROM known AS k
 LIMIT 1;
