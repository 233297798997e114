-- tasks/delete: remove one task of the owner's, for good, if its version is one that is wanted.
-- params:  owner_id text, id uuid, wanted jsonb?, unwanted jsonb
-- returns: maybe (deleted bool, current_version int8)
-- index:   owners_pkey, tasks_pkey, tombstones_sequence_key
--
-- No row: there is no such task. Not deleted: its version, which is told, is not wanted.
-- Id and number stay behind in a tombstone, so that whoever syncs hears of it. For what is read after a wait see tasks/patch.
WITH me AS MATERIALIZED (
    SELECT o.sequence + 1 AS next, o.open, o.completed, o.bytes, o.horizon
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       FOR UPDATE
), was AS MATERIALIZED (
    SELECT t.id, t.completed, t.version, me.next, octet_length(t.title) + coalesce(octet_length(t.description), 0) AS size,
           (:wanted::jsonb IS NULL OR :wanted @> to_jsonb(t.version)) AND NOT :unwanted::jsonb @> to_jsonb(t.version) AS fits
      FROM tasks AS t, me
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       FOR UPDATE OF t
), buried AS (
    -- There may be a tombstone already, where a put used an id again. Before the task goes: see the triggers of 0002.
    INSERT INTO tombstones AS d (owner_id, id, sequence)
    SELECT :owner_id, was.id, was.next
      FROM was
     WHERE was.fits
    ON CONFLICT (owner_id, id) DO UPDATE
       SET sequence = EXCLUDED.sequence,
           deleted_at = EXCLUDED.deleted_at
    RETURNING d.id
), gone AS (
    DELETE FROM tasks AS t
     USING buried
     WHERE t.owner_id = :owner_id
       AND t.id = buried.id
    RETURNING t.id
), swept AS (
    -- Each new tombstone takes up to ten with it that are older than 30 days, oldest first: the horizon follows.
    DELETE FROM tombstones AS d
     USING (SELECT e.sequence
              FROM tombstones AS e, me
             WHERE e.owner_id = :owner_id
               AND e.sequence < me.next
             ORDER BY e.sequence
             LIMIT 10) AS oldest
     WHERE d.owner_id = :owner_id
       AND d.sequence = oldest.sequence
       AND d.deleted_at < now() - interval '30 days'
       AND d.id <> :id
       AND EXISTS (SELECT FROM gone)
    RETURNING d.sequence
), counted AS (
    UPDATE owners AS o
       SET sequence = me.next,
           open = me.open - (NOT was.completed)::int4,
           completed = me.completed - was.completed::int4,
           bytes = me.bytes - was.size,
           horizon = greatest(me.horizon, (SELECT max(swept.sequence) FROM swept))
      FROM me, was, gone
     WHERE o.owner_id = :owner_id
)
SELECT EXISTS (SELECT FROM gone) AS deleted, was.version AS current_version
  FROM was;
