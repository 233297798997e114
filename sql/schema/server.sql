-- schema/server: the server's version, encoding and locale, and the privileges of the connected role.
-- global:  about the server, not about anybody's rows
-- returns: one (version int4, encoding text, folds bool, role text, database text, home text?, creates bool, denied text?)
--
-- `folds` says that the locale knows upper and lower case beyond ASCII, as C and POSIX do not. `home` is the schema
-- that CREATE TABLE uses, NULL if the role may use none in its search_path. `denied` lists the privileges that the
-- statements need and the role lacks, on tables that exist.
SELECT current_setting('server_version_num')::int4 AS version,
       current_setting('server_encoding') AS encoding,
       (SELECT coalesce(bool_and(pg_catalog.lower(chr(u.capital)) = chr(u.small))
                        FILTER (WHERE current_setting('server_encoding') = 'UTF8'), false)
          FROM (VALUES (196, 228), (220, 252)) AS u (capital, small)) AS folds,
       current_user::text AS role,
       current_database()::text AS database,
       current_schema()::text AS home,
       COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false) AS creates,
       (SELECT string_agg(w.privilege || ' ON ' || w.relation, ', ' ORDER BY w.relation, w.privilege)
          FROM (VALUES ('_yoyo_migration', 'SELECT'),
                       ('idempotency_keys', 'DELETE'),
                       ('idempotency_keys', 'INSERT'),
                       ('idempotency_keys', 'SELECT'),
                       ('idempotency_keys', 'UPDATE'),
                       ('migration_checksums', 'SELECT'),
                       ('owners', 'DELETE'),
                       ('owners', 'INSERT'),
                       ('owners', 'SELECT'),
                       ('owners', 'UPDATE'),
                       ('tasks', 'DELETE'),
                       ('tasks', 'INSERT'),
                       ('tasks', 'SELECT'),
                       ('tasks', 'UPDATE')) AS w (relation, privilege)
         WHERE NOT COALESCE(CASE w.privilege
                            WHEN 'DELETE' THEN has_table_privilege(to_regclass(w.relation), w.privilege)
                            ELSE has_any_column_privilege(to_regclass(w.relation), w.privilege)
                            END, true)) AS denied;
