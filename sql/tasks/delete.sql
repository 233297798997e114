-- tasks/delete: move one task of the owner's to the trash, if its version is wanted.
-- params:  owner_id text, id uuid, Versions
-- returns: maybe (deleted bool, current_version int8)
-- index:   owners_pkey, tasks_pkey
--
-- No row: no such task. `deleted` is false if the current version is not wanted.
-- The row stays for the trash and the feed until owners/sweep purges it. Versions and lock waits: see tasks/change.
WITH me AS MATERIALIZED (
    SELECT o.sequence + 1 AS next, o.open, o.completed, o.trash
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       FOR UPDATE
), was AS MATERIALIZED (
    SELECT t.completed, t.version,
           coalesce((:wanted::jsonb IS NULL OR :wanted @> to_jsonb(t.version))
                    AND NOT :unwanted::jsonb @> to_jsonb(t.version), false) AS deleted
      FROM tasks AS t
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       AND num_nulls(t.deleted_at) = 1
       AND (SELECT me.next FROM me) > 0
       FOR UPDATE
), gone AS (
    UPDATE tasks AS t
       SET deleted_at = now(),
           sequence = me.next
      FROM me, was
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       AND was.deleted
), counted AS (
    UPDATE owners AS o
       SET sequence = me.next,
           open = me.open - (NOT was.completed)::int4,
           completed = me.completed - was.completed::int4,
           trash = me.trash + 1
      FROM me, was
     WHERE o.owner_id = :owner_id
       AND was.deleted
)
SELECT was.deleted, was.version AS current_version
  FROM was;
