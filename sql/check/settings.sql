-- check/settings: for this transaction, force generic plans and index scans, and print the parse trees.
-- global:  about the session, not about anybody's rows
-- params:  planning bool
-- returns: many (value text)
--
-- Planner settings that a role or a database may have changed go back to PostgreSQL's defaults, so that every server
-- plans alike. debug_print_* sends the trees to this client and to the server's log. The last line keeps them out of
-- the log if the role may set that (a superuser, or GRANT SET ON PARAMETER).
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
