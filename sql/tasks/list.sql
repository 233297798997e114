-- tasks/list: one page of the owner's tasks, newest first, and how many there are on all pages.
-- params:  owner_id text, completed bool?, page_size int8, skip int8
-- returns: many (total int8, id uuid?, owner_id text?, title text?, description text?, completed bool?,
--          created_at timestamptz?, updated_at timestamptz?)
-- index:   tasks_newest
--
-- Page and total in one round trip and from one snapshot. The total stands in every row; a page that is empty, because
-- there is nothing or the offset is beyond the end, is one row with nulls for the task.
-- The id in the order makes paging stable where two tasks share a timestamp.
SELECT n.total, p.id, p.owner_id, p.title, p.description, p.completed, p.created_at, p.updated_at
  FROM (SELECT count(*) AS total
          FROM tasks AS c
         WHERE c.owner_id = :owner_id
           AND (:completed::bool IS NULL OR c.completed = :completed)) AS n
  LEFT JOIN (SELECT t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at
               FROM tasks AS t
              WHERE t.owner_id = :owner_id
                AND (:completed::bool IS NULL OR t.completed = :completed)
              ORDER BY t.created_at DESC, t.id DESC
              LIMIT :page_size OFFSET :skip) AS p ON true
 ORDER BY p.created_at DESC, p.id DESC;
