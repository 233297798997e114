-- tasks/get: one task of the owner's.
-- params:  owner_id text, id uuid
-- returns: maybe Task
-- index:   tasks_pkey
--
-- Not `IS NULL`: with it the planner may scan a partial index over all of the owner's tasks.
SELECT t.id, t.owner_id, t.title, t.description, t.completed, t.priority, t.tags,
       t.due_at, t.due_all_day, t.time_zone, t.recurrence, t.position, t.completed_at, t.created_at, t.updated_at, t.version
  FROM tasks AS t
 WHERE t.owner_id = :owner_id
   AND t.id = :id
   AND num_nulls(t.deleted_at) = 1;
