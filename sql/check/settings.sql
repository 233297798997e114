-- check/settings: for this transaction, plan with parameters unknown and by index, and show the server's own trees.
-- global:  about the session, not about anybody's rows
-- params:  planning bool
-- returns: many (value text)
--
-- What a role or a database may have set otherwise is set to PostgreSQL's defaults, so that all servers choose alike.
-- The trees of debug_print_* come to this client, and to the server's log too. The last line keeps them out of that for whoever
-- may say so (a superuser, or GRANT SET ON PARAMETER).
SELECT set_config(s.name, s.value, true) AS value
  FROM (VALUES ('plan_cache_mode', 'force_generic_plan'),
               ('enable_seqscan', 'off'),
               ('enable_bitmapscan', 'off'),
               ('enable_tidscan', 'off'),
               ('enable_sort', 'off'),
               ('enable_indexscan', 'on'),
               ('enable_indexonlyscan', 'on'),
               ('enable_nestloop', 'on'),
               ('enable_hashjoin', 'on'),
               ('enable_mergejoin', 'on'),
               ('enable_material', 'on'),
               ('enable_memoize', 'on'),
               ('enable_hashagg', 'on'),
               ('seq_page_cost', '1'),
               ('random_page_cost', '4'),
               ('cpu_tuple_cost', '0.01'),
               ('cpu_index_tuple_cost', '0.005'),
               ('cpu_operator_cost', '0.0025'),
               ('constraint_exclusion', 'off'),
               ('geqo', 'off'),
               ('max_parallel_workers_per_gather', '0'),
               ('jit', 'off'),
               ('debug_pretty_print', 'off'),
               ('debug_print_rewritten', CASE WHEN :planning THEN 'off' ELSE 'on' END),
               ('debug_print_plan', CASE WHEN :planning THEN 'on' ELSE 'off' END),
               ('client_min_messages', 'log'),
               ('log_min_messages', 'panic')) AS s (name, value)
 WHERE s.name <> 'log_min_messages'
    OR has_parameter_privilege('log_min_messages', 'SET');
