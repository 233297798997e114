-- schema/ping: does the database answer?
-- global:  asks after the server, reads no table
-- returns: one (answer int4)
SELECT 1 AS answer;
