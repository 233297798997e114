-- migrate/lock_timeout: the lock_timeout that this session really has, in milliseconds.
-- global:  about the session, not about anybody's rows
-- returns: one (milliseconds int4)
--
-- The migrations ask for one when they connect. A pooler that lends its sessions out refuses such a wish or forgets it.
SELECT (SELECT s.setting::int4
          FROM pg_catalog.pg_settings AS s
         WHERE s.name = 'lock_timeout') AS milliseconds;
