SET lock_timeout = '5s';

-- As in 0007.
CREATE OR REPLACE FUNCTION owners_forget_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.bytes := NULL;
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER owners_forget_bytes BEFORE UPDATE ON owners FOR EACH ROW
    WHEN (NEW.sequence <> OLD.sequence AND NEW.bytes = OLD.bytes) EXECUTE FUNCTION owners_forget_bytes();
