-- tasks/list: one page of the owner's tasks, newest first, from below a place in that order on, and how many there are.
-- params:  owner_id text, completed bool?, created_at timestamptz, id uuid, page_size int8, skip int8
-- returns: many (sequence int8, total int8, Task?)
-- index:   owners_pkey, tasks_newest
--
-- Page, total and the sequence that they are of, from one snapshot. Total and sequence stand in every row; a page that
-- is empty is one row with nulls for the task, and an owner who never had a task has no row. The total was kept by the
-- writes and costs the same for ten tasks and for a million.
--
-- The index has open and done tasks apart, each newest first: a list of one state walks its own, a list of both merges
-- the two. The row comparison is in the index's order, so that a scan starts at the place itself, however deep. Neither
-- column ever changes, and the place need not be a task any more: what others create or delete moves nothing on this
-- page. The first page is the one below the end of time. LIMIT (SELECT …): a limit that the planner cannot see it takes
-- for a tenth of the rows, and then walks the index in its order; one that it sees may make it fetch and sort them all.
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
