-- tasks/list: one page of the owner's tasks, newest first, after a position in that order, and how many there are.
-- params:  owner_id text, completed bool?, created_at timestamptz, id uuid, page_size int8, skip int8
-- returns: many (sequence int8, total int8, Task?)
-- index:   owners_pkey, tasks_newest
--
-- Page, total and sequence come from one snapshot. Total and sequence repeat in every row. An empty page is one row
-- with NULLs for the task. No row: the owner never had a task. Writes keep the total, so reading it costs the same for
-- ten tasks and for a million.
--
-- The index has open tasks and completed tasks apart, each newest first; a list of both merges two scans. The row
-- comparison follows the index, so a scan starts at the position itself, however deep. created_at and id never change,
-- and the position need not be a task any more: what is created or deleted elsewhere moves nothing on this page. The
-- first page starts after the greatest timestamp. LIMIT (SELECT …) hides the limit: the planner then assumes a tenth
-- of the rows and scans the index in order; a limit that it sees may make it fetch and sort all of them.
SELECT o.sequence,
       CASE WHEN :completed::bool IS NULL THEN o.open + o.completed
            WHEN :completed THEN o.completed
            ELSE o.open END AS total,
       p.id, p.owner_id, p.title, p.description, p.completed, p.priority, p.tags,
       p.due_at, p.due_all_day, p.time_zone, p.recurrence, p.position, p.completed_at, p.created_at, p.updated_at, p.version
  FROM owners AS o
  LEFT JOIN ((SELECT t.id, t.owner_id, t.title, t.description, t.completed, t.priority, t.tags,
                     t.due_at, t.due_all_day, t.time_zone, t.recurrence, t.position, t.completed_at, t.created_at, t.updated_at, t.version
                FROM tasks AS t
               WHERE t.owner_id = :owner_id
                 AND t.deleted_at IS NULL
                 AND NOT t.completed
                 AND :completed IS NOT TRUE
                 AND (t.created_at, t.id) < (:created_at, :id)
               ORDER BY t.created_at DESC, t.id DESC
               LIMIT (SELECT :page_size::int8 + :skip::int8))
              UNION ALL
             (SELECT t.id, t.owner_id, t.title, t.description, t.completed, t.priority, t.tags,
                     t.due_at, t.due_all_day, t.time_zone, t.recurrence, t.position, t.completed_at, t.created_at, t.updated_at, t.version
                FROM tasks AS t
               WHERE t.owner_id = :owner_id
                 AND t.deleted_at IS NULL
                 AND t.completed
                 AND :completed IS NOT FALSE
                 AND (t.created_at, t.id) < (:created_at, :id)
               ORDER BY t.created_at DESC, t.id DESC
               LIMIT (SELECT :page_size::int8 + :skip::int8))
              ORDER BY created_at DESC, id DESC
              LIMIT :page_size OFFSET :skip) AS p ON true
 WHERE o.owner_id = :owner_id
 ORDER BY p.created_at DESC, p.id DESC;
