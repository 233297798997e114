-- tasks/filter: one page of the owner's tasks that match the filters, in the order :sort, and how many match.
-- params:  owner_id text, completed bool?, priority text?, tag text?, due_after timestamptz?, due_before timestamptz?,
--          words text[]?, sort text, rank int4, number float8, letters text, id uuid, page_size int8, skip int8
-- returns: many (sequence int8, total int8, Placed?)
-- index:   owners_pkey, tasks_pkey
--
-- Scans all of the owner's tasks once, and reads all columns for the page alone. A NULL filter matches every task.
-- :words are LIKE patterns; a task must match each, whatever the case.
--
-- Every order is (rank, number, letters, newest id first) and uses what it needs of these. A page starts behind such a
-- key, whether or not its task still exists, so changes of other tasks move nothing. The first page starts before all
-- keys: (-1, -Infinity). Total, sequence and empty pages are as in tasks/list.
WITH found AS MATERIALIZED (
    SELECT t.id,
           CASE WHEN :sort::text <> 'priority' THEN 0 WHEN t.priority = 'high' THEN 1 WHEN t.priority = 'medium' THEN 2
                ELSE 3 END AS rank,
           CASE :sort WHEN 'title' THEN 0
                      WHEN 'position' THEN coalesce(t.position, 'infinity')
                      WHEN '-created_at' THEN -date_part('epoch', t.created_at - '1970-01-01 00:00:00+00'::timestamptz)
                      WHEN 'created_at' THEN date_part('epoch', t.created_at - '1970-01-01 00:00:00+00'::timestamptz)
                      WHEN '-updated_at' THEN -date_part('epoch', t.updated_at - '1970-01-01 00:00:00+00'::timestamptz)
                      ELSE coalesce(date_part('epoch', t.due_at - '1970-01-01 00:00:00+00'::timestamptz), 'infinity') END AS number,
           CASE :sort WHEN 'title' THEN lower(t.title) ELSE '' END COLLATE "C" AS letters
      FROM tasks AS t
     WHERE t.owner_id = :owner_id
       AND t.deleted_at IS NULL
       AND (:completed::bool IS NULL OR t.completed = :completed)
       AND (:priority::text IS NULL OR t.priority = :priority)
       AND (:tag::text IS NULL OR t.tags @> ARRAY[:tag])
       AND (:due_after::timestamptz IS NULL OR t.due_at >= :due_after)
       AND (:due_before::timestamptz IS NULL OR t.due_at <= :due_before)
       AND (:words::text[] IS NULL OR t.title || chr(10) || coalesce(t.description, '') ILIKE ALL (:words))
)
SELECT o.sequence, (SELECT count(*) FROM found) AS total, p.rank, p.number, p.letters,
       t.id, t.owner_id, t.title, t.description, t.completed, t.priority, t.tags, t.due_at, t.due_all_day,
       t.time_zone, t.recurrence, t.position, t.completed_at, t.created_at, t.updated_at, t.version
  FROM owners AS o
  LEFT JOIN (SELECT f.id, f.rank, f.number, f.letters
               FROM found AS f
              WHERE (f.rank, f.number, f.letters) > (:rank, :number, :letters)
                 OR ((f.rank, f.number, f.letters) = (:rank, :number, :letters) AND f.id < :id)
              ORDER BY f.rank, f.number, f.letters, f.id DESC
              LIMIT :page_size OFFSET :skip) AS p ON true
  LEFT JOIN tasks AS t ON t.owner_id = :owner_id AND t.id = p.id
 WHERE o.owner_id = :owner_id
 ORDER BY p.rank, p.number, p.letters, p.id DESC;
