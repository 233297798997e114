-- schema/ping: answer, if the database is up.
-- global:  asks after the server, reads no table
-- returns: one (answer int4)
SELECT 1 AS answer;
