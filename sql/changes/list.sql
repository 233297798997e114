-- changes/list: one page of the owner's tasks changed after sequence :after, in sequence order, each as it is now.
-- params:  owner_id text, after int8, deleted_after int8?, page_size int8
-- returns: many (newest int8, horizon int8, Change?)
-- index:   owners_pkey, tasks_changed, tasks_deleted
--
-- `newest` and `horizon` repeat in every row. No change: one row with NULLs for the change. No row: the owner never had
-- a task. One snapshot has every change up to `newest`, because an owner's writers commit in sequence order. A first
-- sync needs no deletions: `deleted_after` is NULL. LIMIT (SELECT …): see tasks/list.
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
