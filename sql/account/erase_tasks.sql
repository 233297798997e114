-- account/erase_tasks: remove up to a number of the owner's tasks for good, deleted ones too.
-- params:  owner_id text, at_most int8
-- returns: count
-- index:   owners_pkey, tasks_pkey
--
-- 1 while there was something to remove, else 0. The counts are right after every step, and copies that were made from
-- the feed have to be made anew: the horizon moves. For what is read after a wait see tasks/change.
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
