-- trash/list: one page of the owner's trash, latest deletion first, below sequence :before, and how many tasks it has.
-- params:  owner_id text, before int8, page_size int8
-- returns: many (total int8, Trashed?)
-- index:   owners_pkey, tasks_trash
--
-- The total repeats in every row. An empty page is one row with NULLs for the task. No row: the owner never had a task.
-- A deleted task keeps its sequence, so other changes move nothing on this page.
SELECT o.trash AS total, p.sequence, p.deleted_at,
       p.id, p.owner_id, p.title, p.description, p.completed, p.priority, p.tags, p.due_at, p.due_all_day,
       p.time_zone, p.recurrence, p.position, p.completed_at, p.created_at, p.updated_at, p.version
  FROM owners AS o
  LEFT JOIN (SELECT t.sequence, t.deleted_at,
                    t.id, t.owner_id, t.title, t.description, t.completed, t.priority, t.tags, t.due_at, t.due_all_day,
                    t.time_zone, t.recurrence, t.position, t.completed_at, t.created_at, t.updated_at, t.version
               FROM tasks AS t
              WHERE t.owner_id = :owner_id
                AND t.deleted_at IS NOT NULL
                AND NOT t.erased
                AND t.sequence < :before
              ORDER BY t.sequence DESC
              LIMIT :page_size) AS p ON true
 WHERE o.owner_id = :owner_id
 ORDER BY p.sequence DESC;
