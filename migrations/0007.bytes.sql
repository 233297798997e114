SET lock_timeout = '5s';

-- Expands: how many bytes of text an owner's tasks have, for the quota. Null where it is not known, which is everywhere before 0010.
ALTER TABLE owners ADD COLUMN IF NOT EXISTS bytes bigint;
-- Added anew two lines on: a file can be run twice.
-- squawk-ignore ban-drop-constraint
ALTER TABLE owners DROP CONSTRAINT IF EXISTS owners_bytes_not_negative;
ALTER TABLE owners ADD CONSTRAINT owners_bytes_not_negative CHECK (bytes >= 0) NOT VALID;

-- The build before this one raises the sequence and leaves the bytes as they were. While it still runs, what it touches becomes
-- unknown again, and so does what a newer build changes without changing the size: what is known is true. 0009 drops the trigger.
CREATE OR REPLACE FUNCTION owners_forget_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.bytes := NULL;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER owners_forget_bytes BEFORE UPDATE ON owners FOR EACH ROW
    WHEN (NEW.sequence <> OLD.sequence AND NEW.bytes = OLD.bytes) EXECUTE FUNCTION owners_forget_bytes();

COMMENT ON COLUMN owners.bytes IS 'Bytes of the titles and descriptions of the owner''s tasks; null: not counted yet, no quota holds.';
