-- contract: after 0009, without which the counts would be forgotten again.
-- transactional: false
SET lock_timeout = '30s';

-- Counts the bytes of every owner of whom they are not known, one owner a transaction: nobody else waits, and the owner's own
-- writes wait for one look at the owner's tasks. Run again it goes on where it stopped.
DO $$
DECLARE
    who text := (SELECT min(owner_id) FROM owners WHERE bytes IS NULL);
BEGIN
    WHILE who IS NOT NULL LOOP
        PERFORM FROM owners WHERE owner_id = who FOR UPDATE;
        UPDATE owners AS o
           SET bytes = (SELECT coalesce(sum(octet_length(t.title) + coalesce(octet_length(t.description), 0)), 0)
                          FROM tasks AS t
                         WHERE t.owner_id = who)
         WHERE o.owner_id = who;
        COMMIT;
        who := (SELECT min(owner_id) FROM owners WHERE owner_id > who AND bytes IS NULL);
    END LOOP;
END
$$;
