-- trash/erase: erase these tasks of the owner's trash for good.
-- params:  owner_id text, ids uuid[]
-- returns: count
-- index:   owners_pkey, tasks_pkey
--
-- Counts the tasks erased. An empty row stays of each, so that the feed still has the deletion, until owners/sweep
-- purges it. Reads after a lock wait: see tasks/change.
WITH me AS MATERIALIZED (
    SELECT o.trash, o.bytes
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       FOR UPDATE
), was AS MATERIALIZED (
    SELECT t.id, t.size
      FROM tasks AS t
     WHERE t.owner_id = :owner_id
       AND t.id = ANY (:ids)
       AND num_nulls(t.deleted_at) = 0
       AND NOT t.erased
       AND (SELECT me.trash FROM me) > 0
       FOR UPDATE
), counted AS (
    UPDATE owners AS o
       SET trash = me.trash - s.number,
           bytes = me.bytes - s.size
      FROM me, (SELECT count(*) AS number, coalesce(sum(was.size), 0)::int8 AS size FROM was) AS s
     WHERE o.owner_id = :owner_id
       AND s.number > 0
)
UPDATE tasks AS t
   SET erased = true, size = 0, title = 'erased', description = NULL, priority = 'medium', tags = '{}',
       due_at = NULL, due_all_day = false, time_zone = NULL, recurrence = NULL, position = NULL
  FROM was
 WHERE t.owner_id = :owner_id
   AND t.id = was.id;
