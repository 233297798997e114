-- tasks/list_after: one page of the owner's tasks, newest first, from below a place in that order on, and how many there are.
-- params:  owner_id text, completed bool?, created_at timestamptz, id uuid, page_size int8
-- returns: many (sequence int8, total int8, id uuid?, owner_id text?, title text?, description text?, completed bool?,
--          created_at timestamptz?, updated_at timestamptz?, version int8?)
-- index:   owners_pkey, tasks_newest
--
-- Total and sequence are those of tasks/list. The row comparison is in the index's own order, so that the scan starts at the place
-- itself, however deep that is. Neither column ever changes and the place need not be a task any more: what others create or
-- delete moves nothing on this page.
SELECT o.sequence,
       CASE WHEN :completed::bool IS NULL THEN o.open + o.completed
            WHEN :completed THEN o.completed
            ELSE o.open END AS total,
       p.id, p.owner_id, p.title, p.description, p.completed, p.created_at, p.updated_at, p.version
  FROM owners AS o
  LEFT JOIN (SELECT t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at, t.version
               FROM tasks AS t
              WHERE t.owner_id = :owner_id
                AND (:completed::bool IS NULL OR t.completed = :completed)
                AND (t.created_at, t.id) < (:created_at, :id)
              ORDER BY t.created_at DESC, t.id DESC
              LIMIT :page_size) AS p ON true
 WHERE o.owner_id = :owner_id
 ORDER BY p.created_at DESC, p.id DESC;
