-- tasks/list_after: one page of the owner's tasks, newest first, from below a place in that order on, and how many there are.
-- params:  owner_id text, completed bool?, created_at timestamptz, id uuid, page_size int8
-- returns: many (total int8, id uuid?, owner_id text?, title text?, description text?, completed bool?,
--          created_at timestamptz?, updated_at timestamptz?)
-- index:   tasks_newest
--
-- The row comparison is in the index's own order, so that the scan starts at the place itself, however deep that is. Neither
-- column ever changes and the place need not be a task any more: what others create or delete moves nothing on this page.
SELECT n.total, p.id, p.owner_id, p.title, p.description, p.completed, p.created_at, p.updated_at
  FROM (SELECT count(*) AS total
          FROM tasks AS c
         WHERE c.owner_id = :owner_id
           AND (:completed::bool IS NULL OR c.completed = :completed)) AS n
  LEFT JOIN (SELECT t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at
               FROM tasks AS t
              WHERE t.owner_id = :owner_id
                AND (:completed::bool IS NULL OR t.completed = :completed)
                AND (t.created_at, t.id) < (:created_at, :id)
              ORDER BY t.created_at DESC, t.id DESC
              LIMIT :page_size) AS p ON true
 ORDER BY p.created_at DESC, p.id DESC;
