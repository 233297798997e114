-- tasks/list: one page of the owner's tasks, newest first, and how many there are on all pages.
-- params:  owner_id text, completed bool?, page_size int8, skip int8
-- returns: many (sequence int8, total int8, id uuid?, owner_id text?, title text?, description text?, completed bool?,
--          created_at timestamptz?, updated_at timestamptz?, version int8?)
-- index:   owners_pkey, tasks_newest
--
-- Page, total and the sequence that they are of, in one round trip and from one snapshot. The total was kept by the writes and costs
-- the same for ten tasks and for a million. Both stand in every row; a page that is empty is one row with nulls for the task, and
-- an owner who never had a task has no row.
-- The id in the order makes paging stable where two tasks share a timestamp.
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
              ORDER BY t.created_at DESC, t.id DESC
              LIMIT :page_size OFFSET :skip) AS p ON true
 WHERE o.owner_id = :owner_id
 ORDER BY p.created_at DESC, p.id DESC;
