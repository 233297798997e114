-- account/erase_tasks: delete at most :at_most of the owner's rows in tasks, the trash included.
-- params:  owner_id text, at_most int8
-- returns: count
-- index:   owners_pkey, tasks_pkey
--
-- Counts 1 if it deleted any row, else 0. The owner's counts stay right after every batch. The horizon moves, so
-- clients of the feed start again. Reads after a lock wait: see tasks/change.
WITH me AS MATERIALIZED (
    SELECT o.sequence + 1 AS next, o.open, o.completed, o.trash, o.bytes
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       FOR UPDATE
), gone AS (
    DELETE FROM tasks AS t
     USING (SELECT e.id
              FROM tasks AS e
             WHERE e.owner_id = :owner_id
               AND (SELECT me.next FROM me) > 0
             ORDER BY e.id
             LIMIT :at_most) AS oldest
     WHERE t.owner_id = :owner_id
       AND t.id = oldest.id
    RETURNING t.completed, t.deleted_at, t.erased, t.size
), sums AS (
    SELECT count(*) AS number,
           count(*) FILTER (WHERE gone.deleted_at IS NULL AND NOT gone.completed) AS open,
           count(*) FILTER (WHERE gone.deleted_at IS NULL AND gone.completed) AS completed,
           count(*) FILTER (WHERE gone.deleted_at IS NOT NULL AND NOT gone.erased) AS trash,
           coalesce(sum(gone.size), 0)::int8 AS size
      FROM gone
)
UPDATE owners AS o
   SET sequence = me.next, horizon = me.next,
       open = me.open - sums.open, completed = me.completed - sums.completed, trash = me.trash - sums.trash,
       bytes = me.bytes - sums.size
  FROM me, sums
 WHERE o.owner_id = :owner_id
   AND sums.number > 0;
