-- tasks/create: insert a task of the owner's.
-- params:  owner_id text, id uuid, NewTask, size int8, version int8, sequence int8
-- returns: maybe Task
--
-- Runs after owners/lock_create, with its sequence. No row: the owner has a task with this id, deleted or not. If the
-- client chose the id, the version is the sequence too. No version exceeds its owner's sequence, so this one exceeds
-- those of any purged task with the same id, and no old ETag matches the new task.
INSERT INTO tasks AS t (owner_id, id, title, description, completed, priority, tags, due_at, due_all_day, time_zone,
                        recurrence, position, completed_at, size, version, sequence)
VALUES (:owner_id, :id, :title, :description, :completed, :priority, :tags, :due_at, :due_all_day, :time_zone,
        :recurrence, :position, CASE WHEN :completed THEN now() END, :size, :version, :sequence)
ON CONFLICT (owner_id, id) DO NOTHING
RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.priority, t.tags,
          t.due_at, t.due_all_day, t.time_zone, t.recurrence, t.position, t.completed_at, t.created_at, t.updated_at, t.version;
