SET lock_timeout = '5s';

ALTER TABLE tasks DROP CONSTRAINT IF EXISTS tasks_sequence_known;
ALTER TABLE tasks ADD CONSTRAINT tasks_sequence_known CHECK (sequence IS NOT NULL) NOT VALID;
ALTER TABLE tasks VALIDATE CONSTRAINT tasks_sequence_known;
ALTER TABLE tasks ALTER COLUMN sequence DROP NOT NULL;

-- As in 0002.
CREATE OR REPLACE FUNCTION tasks_book_write() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted constant boolean := TG_OP = 'UPDATE' AND OLD.sequence IS NOT NULL;
BEGIN
    INSERT INTO owners AS o (owner_id, sequence, open, completed)
    VALUES (NEW.owner_id, NEW.version, (NOT NEW.completed)::int, NEW.completed::int)
    ON CONFLICT (owner_id) DO UPDATE
       SET sequence = greatest(o.sequence + 1, NEW.version),
           open = o.open + EXCLUDED.open - CASE WHEN counted THEN (NOT OLD.completed)::int ELSE 0 END,
           completed = o.completed + EXCLUDED.completed - CASE WHEN counted THEN OLD.completed::int ELSE 0 END
    RETURNING o.sequence INTO NEW.sequence;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION tasks_book_delete() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM tombstones AS d
                    WHERE d.owner_id = OLD.owner_id AND d.id = OLD.id AND d.sequence > OLD.sequence) THEN
        UPDATE owners AS o
           SET sequence = o.sequence + 1, open = o.open - (NOT OLD.completed)::int, completed = o.completed - OLD.completed::int
         WHERE o.owner_id = OLD.owner_id
        RETURNING o.sequence INTO number;
        INSERT INTO tombstones AS d (owner_id, id, sequence)
        VALUES (OLD.owner_id, OLD.id, number)
        ON CONFLICT (owner_id, id) DO UPDATE SET sequence = EXCLUDED.sequence, deleted_at = EXCLUDED.deleted_at;
    END IF;
    RETURN OLD;
END
$$;

CREATE OR REPLACE TRIGGER tasks_book_insert BEFORE INSERT ON tasks FOR EACH ROW
    WHEN (NEW.sequence IS NULL) EXECUTE FUNCTION tasks_book_write();
CREATE OR REPLACE TRIGGER tasks_book_update BEFORE UPDATE ON tasks FOR EACH ROW
    WHEN (NEW.sequence IS NOT DISTINCT FROM OLD.sequence) EXECUTE FUNCTION tasks_book_write();
CREATE OR REPLACE TRIGGER tasks_book_delete BEFORE DELETE ON tasks FOR EACH ROW
    WHEN (OLD.sequence IS NOT NULL) EXECUTE FUNCTION tasks_book_delete();
