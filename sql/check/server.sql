-- check/server: the server that the check runs on.
-- global:  about the server, not about anybody's rows
-- returns: one (version text, role text, replica bool)
SELECT current_setting('server_version') AS version, current_user::text AS role, pg_is_in_recovery() AS replica;
