-- changes/list: what changed of the owner's tasks after a number, in the order it happened, each task once, as it is now.
-- params:  owner_id text, after int8, deleted_after int8?, page_size int8
-- returns: many (newest int8, horizon int8, Change?)
-- index:   owners_pkey, tasks_changed, tasks_deleted
--
-- Newest number and horizon stand in every row; where nothing happened that is one row with nulls for the change, and
-- an owner who never had a task has no row. One snapshot: all up to `newest` is in it, for writers of one owner commit
-- in the order of numbers. A first sync wants no deletions: `deleted_after` is null. LIMIT (SELECT …): see tasks/list.
SELECT o.sequence AS newest, greatest(o.horizon, o.epoch) AS horizon, c.sequence, c.deleted,
       c.id, c.owner_id, c.title, c.description, c.completed, c.priority, c.tags,
       c.due_at, c.due_all_day, c.time_zone, c.recurrence, c.position, c.completed_at, c.created_at, c.updated_at, c.version
  FROM owners AS o
  LEFT JOIN ((SELECT t.sequence, false AS deleted,
                     t.id, t.owner_id, t.title, t.description, t.completed, t.priority, t.tags,
                     t.due_at, t.due_all_day, t.time_zone, t.recurrence, t.position, t.completed_at, t.created_at, t.updated_at, t.version
                FROM tasks AS t
               WHERE t.owner_id = :owner_id
                 AND t.deleted_at IS NULL
                 AND t.sequence > :after
               ORDER BY t.sequence
               LIMIT (SELECT :page_size::int8))
              UNION ALL
             (SELECT t.sequence, true,
                     t.id, t.owner_id, t.title, t.description, t.completed, t.priority, t.tags,
                     t.due_at, t.due_all_day, t.time_zone, t.recurrence, t.position, t.completed_at, t.created_at, t.updated_at, t.version
                FROM tasks AS t
               WHERE t.owner_id = :owner_id
                 AND t.deleted_at IS NOT NULL
                 AND t.sequence > :after
                 AND t.sequence > :deleted_after
               ORDER BY t.sequence
               LIMIT (SELECT :page_size::int8))
              ORDER BY sequence
              LIMIT :page_size) AS c ON true
 WHERE o.owner_id = :owner_id
 ORDER BY c.sequence;
