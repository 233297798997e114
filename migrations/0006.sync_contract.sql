-- contract: once no build runs any more that does not know owners, which is every build before 0.2.0.
SET lock_timeout = '5s';

DROP TRIGGER IF EXISTS tasks_book_insert ON tasks;
DROP TRIGGER IF EXISTS tasks_book_update ON tasks;
DROP TRIGGER IF EXISTS tasks_book_delete ON tasks;
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS tasks_book_write();
-- squawk-ignore ban-drop-function
DROP FUNCTION IF EXISTS tasks_book_delete();
-- The valid constraint spares this a look at all rows.
-- squawk-ignore adding-not-nullable-field
ALTER TABLE tasks ALTER COLUMN sequence SET NOT NULL;
-- squawk-ignore ban-drop-constraint
ALTER TABLE tasks DROP CONSTRAINT IF EXISTS tasks_sequence_known;
