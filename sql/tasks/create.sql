-- tasks/create: a new task of the owner's.
-- params:  owner_id text, id uuid, NewTask, size int8, version int8, sequence int8
-- returns: maybe Task
--
-- After owners/lock_create, whose sequence it has. No row: the owner has a task with this id, deleted or not. Where
-- the client chose the id the version is the sequence, too: no version is above its owner's sequence, so this one is
-- above whatever a purged task with the same id had, and an old ETag can never fit the new task.
INSERT INTO tasks AS t (owner_id, id, title, description, completed, priority, tags, due_at, due_all_day, time_zone,
                        recurrence, position, completed_at, size, version, sequence)
VALUES (:owner_id, :id, :title, :description, :completed, :priority, :tags, :due_at, :due_all_day, :time_zone,
        :recurrence, :position, CASE WHEN :completed THEN now() END, :size, :version, :sequence)
ON CONFLICT (owner_id, id) DO NOTHING
RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.priority, t.tags,
          t.due_at, t.due_all_day, t.time_zone, t.recurrence, t.position, t.completed_at, t.created_at, t.updated_at, t.version;
