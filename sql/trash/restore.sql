-- trash/restore: restore a task from the owner's trash.
-- params:  owner_id text, id uuid
-- returns: count
-- index:   owners_pkey, tasks_pkey
--
-- 0: it is not in the trash. The quotas count the trash, so there is always room. Reads after a lock wait: see
-- tasks/change.
WITH me AS MATERIALIZED (
    SELECT o.sequence + 1 AS next, o.open, o.completed, o.trash, o.epoch
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       FOR UPDATE
), was AS MATERIALIZED (
    SELECT t.completed, t.updated_at, t.version
      FROM tasks AS t
     WHERE t.owner_id = :owner_id
       AND t.id = :id
       AND num_nulls(t.deleted_at) = 0
       AND NOT t.erased
       AND (SELECT me.next FROM me) > 0
       FOR UPDATE
), counted AS (
    UPDATE owners AS o
       SET sequence = me.next,
           open = me.open + (NOT was.completed)::int4,
           completed = me.completed + was.completed::int4,
           trash = me.trash - 1
      FROM me, was
     WHERE o.owner_id = :owner_id
)
UPDATE tasks AS t
   SET deleted_at = NULL,
       updated_at = greatest(was.updated_at, now()),
       version = greatest(was.version + 1, me.epoch),
       sequence = me.next
  FROM me, was
 WHERE t.owner_id = :owner_id
   AND t.id = :id;
