-- transactional: false
SET lock_timeout = '30s';

-- Gives every task that has none a sequence, oldest first, and counts it: a thousand tasks a transaction, owner after owner, so that
-- nobody waits for long. Locks tasks before their owner, as the triggers of 0002 do. Run again it goes on where it stopped.
DO $$
DECLARE
    who text := (SELECT min(owner_id) FROM tasks);
    ids uuid[];
    times timestamptz[];
    seen_at timestamptz := '-infinity';
    seen_id uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    WHILE who IS NOT NULL LOOP
        SELECT array_agg(batch.id ORDER BY batch.created_at, batch.id), array_agg(batch.created_at ORDER BY batch.created_at)
          INTO ids, times
          FROM (SELECT t.id, t.created_at FROM tasks AS t
                 WHERE t.owner_id = who AND t.sequence IS NULL AND (t.created_at, t.id) > (seen_at, seen_id)
                 ORDER BY t.created_at, t.id LIMIT 1000 FOR UPDATE) AS batch;
        IF ids IS NULL THEN
            who := (SELECT min(owner_id) FROM tasks WHERE owner_id > who);
            seen_at := '-infinity';
            CONTINUE;
        END IF;
        seen_at := times[cardinality(times)];
        seen_id := ids[cardinality(ids)];
        INSERT INTO owners (owner_id) VALUES (who) ON CONFLICT (owner_id) DO NOTHING;
        PERFORM FROM owners WHERE owner_id = who FOR UPDATE;
        WITH counts AS (
            SELECT greatest(o.sequence, max(t.version) - count(*)) AS below, count(*) AS all_of_them,
                   count(*) FILTER (WHERE t.completed) AS completed
              FROM owners AS o, tasks AS t
             WHERE o.owner_id = who AND t.owner_id = who AND t.id = ANY (ids)
             GROUP BY o.sequence
        ), numbered AS (
            UPDATE tasks AS t
               SET sequence = counts.below + batch.number
              FROM counts, unnest(ids) WITH ORDINALITY AS batch (id, number)
             WHERE t.owner_id = who AND t.id = batch.id
        )
        UPDATE owners AS o
           SET sequence = counts.below + counts.all_of_them,
               open = o.open + counts.all_of_them - counts.completed,
               completed = o.completed + counts.completed
          FROM counts
         WHERE o.owner_id = who;
        COMMIT;
    END LOOP;
END
$$;
