-- pool/probe: will this connection find its prepared statements again?
-- global:  about the session, not about anybody's rows
-- params:  pid int4
-- returns: one (kept bool)
--
-- Yes, where no pooler lies between: the server process is the one that the handshake named, :pid. Or where the pooler renamed
-- this very statement when it was prepared, as PgBouncer does from 1.21 on: then it knows each and prepares it where it is missing.
SELECT pg_catalog.pg_backend_pid() = :pid
    OR EXISTS (SELECT
                 FROM pg_catalog.pg_prepared_statements AS p
                WHERE p.statement LIKE '%/* pool/probe */%'
                  AND p.name NOT LIKE '\_\_asyncpg\_%') AS kept;
