-- migrate/lock_timeout: the lock_timeout in force in this session, in milliseconds.
-- global:  about the session, not about anybody's rows
-- returns: one (milliseconds int4)
--
-- Migrations set one when they connect. A pooler in transaction mode refuses or forgets it.
SELECT (SELECT s.setting::int4
          FROM pg_catalog.pg_settings AS s
         WHERE s.name = 'lock_timeout') AS milliseconds;
