-- pool/probe: whether this connection keeps its prepared statements.
-- global:  about the session, not about anybody's rows
-- params:  pid int4
-- returns: one (kept bool)
--
-- True without a pooler: the server process is the one that the handshake named, :pid. True also if the pooler renamed
-- this statement, as PgBouncer does since 1.21: it then tracks prepared statements and prepares them where needed.
SELECT pg_catalog.pg_backend_pid() = :pid
    OR EXISTS (SELECT
                 FROM pg_catalog.pg_prepared_statements AS p
                WHERE p.statement LIKE '%/* pool/probe */%'
                  AND p.name NOT LIKE '\_\_asyncpg\_%') AS kept;
