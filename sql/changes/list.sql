-- changes/list: what became of the owner's tasks after a number, in the order it happened, each task once, as it is now.
-- params:  owner_id text, after int8, deleted_after int8?, page_size int8
-- returns: many (newest int8, horizon int8, sequence int8?, deleted bool?, id uuid?, owner_id text?, title text?,
--          description text?, completed bool?, created_at timestamptz?, updated_at timestamptz?, version int8?)
-- index:   owners_pkey, tasks_sequence_key, tombstones_sequence_key, tasks_pkey
--
-- Newest number and horizon stand in every row; where nothing happened that is one row with nulls for the change, and an owner who
-- never had a task has no row. One snapshot: all up to `newest` is in it, for writers of one owner commit in the order of numbers.
-- A tombstone of a task that is there again says nothing new. A first sync wants none: `deleted_after` is null.
SELECT o.sequence AS newest, o.horizon, c.sequence, c.deleted, c.id, c.owner_id, c.title, c.description, c.completed,
       c.created_at, c.updated_at, c.version
  FROM owners AS o
  LEFT JOIN ((SELECT t.sequence, false AS deleted, t.id, t.owner_id, t.title, t.description, t.completed, t.created_at,
                     t.updated_at, t.version
                FROM tasks AS t
               WHERE t.owner_id = :owner_id
                 AND t.sequence > :after
               ORDER BY t.sequence
               LIMIT :page_size)
              UNION ALL
             (SELECT d.sequence, true, d.id, d.owner_id, NULL, NULL, NULL, NULL, NULL, NULL
                FROM tombstones AS d
               WHERE d.owner_id = :owner_id
                 AND d.sequence > :after
                 AND d.sequence > :deleted_after
                 -- As a value, so that it stays one look-up a tombstone: NOT EXISTS may become a join with all tasks.
                 AND (SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND t.id = d.id) IS NULL
               ORDER BY d.sequence
               LIMIT :page_size)
              ORDER BY sequence
              LIMIT :page_size) AS c ON true
 WHERE o.owner_id = :owner_id
 ORDER BY c.sequence;
