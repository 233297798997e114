-- check/settings: for this transaction, plan with parameters unknown and by index, and show the server's own trees.
-- global:  about the session, not about anybody's rows
-- params:  planning bool
-- returns: many (value text)
--
-- The trees of debug_print_* come to this client, and to the server's log too. The last line keeps them out of that for whoever
-- may say so (a superuser, or GRANT SET ON PARAMETER).
SELECT set_config(s.name, s.value, true) AS value
  FROM (VALUES ('plan_cache_mode', 'force_generic_plan'),
               ('enable_seqscan', 'off'),
               ('enable_bitmapscan', 'off'),
               ('enable_tidscan', 'off'),
               ('enable_sort', 'off'),
               ('max_parallel_workers_per_gather', '0'),
               ('jit', 'off'),
               ('debug_pretty_print', 'off'),
               ('debug_print_rewritten', CASE WHEN :planning THEN 'off' ELSE 'on' END),
               ('debug_print_plan', CASE WHEN :planning THEN 'on' ELSE 'off' END),
               ('client_min_messages', 'log'),
               ('log_min_messages', 'panic')) AS s (name, value)
 WHERE s.name <> 'log_min_messages'
    OR has_parameter_privilege('log_min_messages', 'SET');
