-- owners/sweep: purge up to 100 of the owner's tasks deleted 30 days ago, and 100 responses kept for 24 hours.
-- params:  owner_id text
-- returns: count
-- index:   owners_pkey, tasks_deleted, tasks_pkey, idempotency_keys_oldest, idempotency_keys_pkey
--
-- Both scans start at a horizon that each sweep moves up, so they skip the dead index entries of rows purged before.
-- Tasks are purged in sequence order, so none remains below the horizon.
-- LIMIT (SELECT …): see tasks/list.
WITH me AS MATERIALIZED (
    SELECT o.horizon, o.keys_horizon, o.trash, o.bytes
      FROM owners AS o
     WHERE o.owner_id = :owner_id
       FOR UPDATE
), trash AS (
    DELETE FROM tasks AS t
     USING (SELECT e.id, e.sequence,
                   bool_and(e.deleted_at < now() - interval '30 days') OVER (ORDER BY e.sequence) AS due
              FROM tasks AS e
             WHERE e.owner_id = :owner_id
               AND e.deleted_at IS NOT NULL
               AND e.sequence > (SELECT me.horizon FROM me)
             ORDER BY e.sequence
             LIMIT (SELECT 100)) AS oldest
     WHERE t.owner_id = :owner_id
       AND t.id = oldest.id
       AND t.sequence = oldest.sequence
       AND oldest.due
    RETURNING t.sequence, t.erased, t.size
), answers AS (
    DELETE FROM idempotency_keys AS k
     USING (SELECT e.key
              FROM idempotency_keys AS e
             WHERE e.owner_id = :owner_id
               AND e.created_at >= coalesce((SELECT me.keys_horizon FROM me), '-infinity')
               AND e.created_at < now() - interval '24 hours'
             ORDER BY e.created_at
             LIMIT (SELECT 100)) AS oldest
     WHERE k.owner_id = :owner_id
       AND k.key = oldest.key
    RETURNING k.created_at
), swept AS (
    SELECT max(trash.sequence) AS sequence, count(*) FILTER (WHERE NOT trash.erased) AS number,
           coalesce(sum(trash.size), 0)::int8 AS size, (SELECT max(answers.created_at) FROM answers) AS created_at
      FROM trash
)
UPDATE owners AS o
   SET horizon = greatest(me.horizon, swept.sequence),
       keys_horizon = greatest(me.keys_horizon, swept.created_at),
       trash = me.trash - swept.number,
       bytes = me.bytes - swept.size
  FROM me, swept
 WHERE o.owner_id = :owner_id
   AND (swept.sequence IS NOT NULL OR swept.created_at IS NOT NULL);
