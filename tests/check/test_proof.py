"""Leaks, planted one by one, and good statements with unusual spellings."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from service.check import Fault
from tests.check.playground import PARAMS, made

FaultsOf = Callable[..., Awaitable[tuple[Fault, ...]]]
CURE = "owner_id = :owner_id` once"


class Leak(NamedTuple):
    """A statement with one fault: its rule, and what its message says of the cure. The mark ▸
    stands where it is.
    """

    sql: str
    rule: str = "owner"
    cure: str = CURE
    returns: str = "many (id uuid)"
    ddl: str = ""
    params: str = PARAMS


BOUND = "t.owner_id = :owner_id"
LEAKS = {
    "filter by id only": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.id = :id AND :owner_id::text IS NOT NULL"
    ),
    "no filter": Leak("SELECT t.id FROM ▸tasks AS t WHERE :owner_id::text <> ''"),
    "or": Leak(f"SELECT t.id FROM ▸tasks AS t WHERE {BOUND} OR t.id = :id"),
    "or true": Leak(
        f"SELECT t.id FROM ▸tasks AS t WHERE {BOUND} OR true OR :id::uuid IS NULL", "owner"
    ),
    "or null parameter": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE :owner_id::text IS NULL OR t.owner_id = :owner_id"
    ),
    "not": Leak("SELECT t.id FROM ▸tasks AS t WHERE NOT (t.owner_id = :owner_id)"),
    "other operator": Leak("SELECT t.id FROM ▸tasks AS t WHERE t.owner_id >= :owner_id"),
    "like": Leak("SELECT t.id FROM ▸tasks AS t WHERE t.owner_id LIKE :owner_id"),
    "row comparison that is no equality": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE (t.owner_id, t.id) > (:owner_id, :id)"
    ),
    "any of several": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.owner_id = ANY (ARRAY[:owner_id, 'mallory'])"
    ),
    "in several": Leak("SELECT t.id FROM ▸tasks AS t WHERE t.owner_id IN (:owner_id, t.title)"),
    "is not distinct from": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.owner_id IS NOT DISTINCT FROM :owner_id"
    ),
    "owner compared with itself": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.owner_id = t.owner_id AND :owner_id::text <> ''"
    ),
    "another column": Leak("SELECT t.id FROM ▸tasks AS t WHERE t.title = :owner_id"),
    "another parameter": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.owner_id = :id AND :owner_id::text <> ''",
        params="owner_id text, id text",
    ),
    "a literal": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.owner_id = 'alice' AND :owner_id::text <> ''"
    ),
    "parameter computed": Leak("SELECT t.id FROM ▸tasks AS t WHERE t.owner_id = lower(:owner_id)"),
    "parameter cast": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.owner_id = :owner_id::text::varchar(3)"
    ),
    "column through a function": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE lower(t.owner_id) = :owner_id"
    ),
    "column through an indexed function": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE lower(t.owner_id) = :owner_id",
        ddl="CREATE INDEX tasks_lower ON tasks (lower(owner_id))",
    ),
    "column cast": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.owner_id::char(3) = :owner_id::text::char(3)"
    ),
    "column concatenated": Leak("SELECT t.id FROM ▸tasks AS t WHERE t.owner_id || '' = :owner_id"),
    "case": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE CASE WHEN :id::uuid IS NULL THEN true ELSE t.owner_id ="
        " :owner_id END"
    ),
    "coalesce": Leak("SELECT t.id FROM ▸tasks AS t WHERE coalesce(t.owner_id = :owner_id, true)"),
    "in the select list": Leak(
        "SELECT t.owner_id = :owner_id AS mine FROM ▸tasks AS t",
        returns="many (mine bool)",
        cure=CURE,
    ),
    "join on id only": Leak(
        f"SELECT t.id FROM tasks AS t JOIN ▸notes AS n ON n.task_id = t.id WHERE {BOUND}"
    ),
    "left join bound on its nullable side": Leak(
        "SELECT t.id FROM ▸tasks AS t LEFT JOIN notes AS n ON n.owner_id = :owner_id AND n.owner_id"
        " = t.owner_id"
    ),
    "left join bound in its own condition": Leak(
        f"SELECT n.id FROM ▸tasks AS t LEFT JOIN notes AS n ON {BOUND} AND n.owner_id = :owner_id",
        returns="many (id uuid?)",
    ),
    "full join": Leak(
        "SELECT t.id FROM ▸tasks AS t FULL JOIN ▸notes AS n ON n.task_id = t.id AND n.owner_id ="
        " t.owner_id WHERE coalesce(t.owner_id, n.owner_id) = :owner_id",
        returns="many (id uuid?)",
    ),
    "cross join": Leak(f"SELECT n.id FROM tasks AS t, ▸notes AS n WHERE {BOUND}"),
    "self join": Leak(
        f"SELECT o.id FROM tasks AS t JOIN ▸tasks AS o ON o.title = t.title WHERE {BOUND}"
    ),
    "owner of an unbound row": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.owner_id = (SELECT max(o.owner_id) FROM ▸ledgers AS o"
        " WHERE o.owner_id > :owner_id)"
    ),
    "a sub-select's result in the owner's place": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.owner_id = (SELECT o.note FROM ledgers AS o WHERE"
        " o.owner_id = :owner_id)"
    ),
    # Printed as $1 by EXPLAIN before PostgreSQL 17, as the owner is
    "the second sub-select's result": Leak(
        "SELECT t.id FROM ▸tasks AS t WHERE t.title = (SELECT o.note FROM ledgers AS o WHERE"
        " o.owner_id = :owner_id) AND t.owner_id = (SELECT o.note FROM ledgers AS o WHERE"
        " o.owner_id = :owner_id LIMIT 1)"
    ),
    "materialised CTE filtered outside": Leak(
        "WITH a AS MATERIALIZED (SELECT t.id, t.owner_id FROM ▸tasks AS t) SELECT a.id FROM a WHERE"
        " a.owner_id = :owner_id"
    ),
    "recursive CTE": Leak(
        f"WITH RECURSIVE a AS (SELECT t.id FROM tasks AS t WHERE {BOUND} "
        "UNION SELECT n.id FROM ▸notes AS n JOIN a ON a.id = n.task_id) SELECT a.id FROM a"
    ),
    "limit before the filter": Leak(
        "SELECT s.id FROM (SELECT t.id, t.owner_id FROM ▸tasks AS t ORDER BY t.id LIMIT 10) AS s"
        " WHERE s.owner_id = :owner_id"
    ),
    "window before the filter": Leak(
        "SELECT s.id FROM (SELECT t.id, t.owner_id, row_number() OVER (ORDER BY t.id) AS place FROM"
        " ▸tasks AS t) AS s WHERE s.owner_id = :owner_id AND s.place < 9"
    ),
    "aggregate": Leak(
        f"SELECT t.id FROM tasks AS t WHERE {BOUND} AND t.version > (SELECT avg(a.version) FROM"
        " ▸tasks AS a)"
    ),
    "exists": Leak(
        f"SELECT t.id FROM tasks AS t WHERE {BOUND} AND EXISTS (SELECT 1 FROM ▸notes AS n WHERE"
        " n.task_id = t.id)"
    ),
    "not exists": Leak(
        f"SELECT t.id FROM tasks AS t WHERE {BOUND} AND NOT EXISTS (SELECT 1 FROM ▸notes AS n WHERE"
        " n.task_id = t.id)"
    ),
    "scalar sub-select": Leak(
        "SELECT t.id, (SELECT count(*) FROM ▸notes AS n WHERE n.task_id = t.id) AS notes FROM"
        f" tasks AS t WHERE {BOUND}",
        returns="many (id uuid, notes int8)",
    ),
    "lateral": Leak(
        "SELECT l.id FROM tasks AS t, LATERAL (SELECT n.id FROM ▸notes AS n WHERE n.task_id = t.id"
        f" LIMIT 1) AS l WHERE {BOUND}"
    ),
    "union arm": Leak(
        f"SELECT t.id FROM tasks AS t WHERE {BOUND} UNION ALL SELECT n.id FROM ▸notes AS n WHERE"
        " n.id = :id"
    ),
    "except arm": Leak(
        f"SELECT t.id FROM tasks AS t WHERE {BOUND} EXCEPT SELECT n.task_id FROM ▸notes AS n"
    ),
    "in select": Leak(
        f"SELECT t.id FROM tasks AS t WHERE {BOUND} AND t.id IN (SELECT n.task_id FROM ▸notes AS n)"
    ),
    "not in select": Leak(
        f"SELECT t.id FROM tasks AS t WHERE {BOUND} AND t.id NOT IN (SELECT n.task_id FROM ▸notes"
        " AS n)"
    ),
    "order by sub-select": Leak(
        f"SELECT t.id FROM tasks AS t WHERE {BOUND} ORDER BY (SELECT max(n.body) FROM ▸notes AS n)"
    ),
    "limit by sub-select": Leak(
        f"SELECT t.id FROM tasks AS t WHERE {BOUND} LIMIT (SELECT count(*) FROM ▸notes AS n)"
    ),
    "lock": Leak(f"SELECT t.id FROM tasks AS t, ▸ledgers AS o WHERE {BOUND} FOR UPDATE OF o"),
    "an index that compares in its own way": Leak(
        f"SELECT t.id FROM ▸tasks AS t WHERE {BOUND}",
        cure="not a plain, valid B-tree",
        ddl="""DROP INDEX tasks_newest; ALTER TABLE notes DROP CONSTRAINT notes_owner_id_task_id_fkey;
               ALTER TABLE tasks DROP CONSTRAINT tasks_pkey;
               CREATE FUNCTION same(text, text) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 0';
               CREATE OPERATOR CLASS blind FOR TYPE text USING btree AS
                   OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 same(text, text);
               CREATE INDEX tasks_blind ON tasks (owner_id blind)""",
    ),
    "an index that owner_id does not lead": Leak(
        f"SELECT t.id FROM ▸tasks AS t WHERE {BOUND} AND t.title = 'x'",
        "index",
        "make an index that does",
        ddl="""DROP INDEX tasks_newest; ALTER TABLE notes DROP CONSTRAINT notes_owner_id_task_id_fkey;
               ALTER TABLE tasks DROP CONSTRAINT tasks_pkey; CREATE INDEX tasks_title ON tasks (title, owner_id)""",
    ),
    "update by id": Leak(
        "UPDATE ▸tasks AS t SET title = :owner_id WHERE t.id = :id", returns="count"
    ),
    "delete by id": Leak(
        "DELETE FROM ▸tasks AS t WHERE t.id = :id AND :owner_id::text <> ''", returns="count"
    ),
    "update from an unbound table": Leak(
        f"UPDATE tasks AS t SET title = n.body FROM ▸notes AS n WHERE {BOUND} AND n.task_id = t.id",
        returns="count",
    ),
    "delete using an unbound table": Leak(
        f"DELETE FROM tasks AS t USING ▸notes AS n WHERE {BOUND} AND n.task_id = t.id",
        returns="count",
    ),
    "update bound by the other table": Leak(
        "UPDATE ▸tasks AS t SET title = 'x' FROM notes AS n WHERE n.owner_id = :owner_id AND"
        " n.task_id = t.id",
        returns="count",
    ),
    "writing CTE by id": Leak(
        "WITH gone AS (DELETE FROM ▸notes AS n WHERE n.id = :id RETURNING n.id) SELECT t.id FROM"
        f" tasks AS t WHERE {BOUND}"
    ),
    "returning a sub-select": Leak(
        f"UPDATE tasks AS t SET title = 'x' WHERE {BOUND} RETURNING (SELECT max(n.body) FROM ▸notes"
        " AS n) AS body",
        returns="many (body text)",
    ),
    "upsert that looks elsewhere": Leak(
        "INSERT INTO ledgers AS o (owner_id) VALUES (:owner_id) ON CONFLICT (owner_id) DO UPDATE "
        "SET sequence = (SELECT max(t.version) FROM ▸tasks AS t)",
        returns="count",
    ),
    "insert from an unbound table": Leak(
        "INSERT INTO tasks (owner_id, id, title) SELECT :owner_id, n.id, n.body FROM ▸notes AS n",
        returns="count",
    ),
    "a value from elsewhere": Leak(
        "INSERT INTO tasks (owner_id, id, title) VALUES (:owner_id, :id, (SELECT max(n.body) FROM"
        " ▸notes AS n))",
        returns="count",
    ),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
async def test_a_leak_is_the_only_fault_found(leak: Leak, faults_of: FaultsOf) -> None:
    """A read of other owners' rows is the only fault found, at its table, with its cure."""
    statement, places = made(leak.sql, leak.returns, leak.params)
    faults = await faults_of(statement, leak.ddl)
    assert sorted((fault.rule, fault.where) for fault in faults) == [
        (leak.rule, place) for place in places
    ]
    assert all(leak.cure in fault.text for fault in faults)


GOOD = {
    "commuted": "SELECT t.id FROM tasks AS t WHERE :owner_id = t.owner_id",
    "row": "SELECT t.id FROM tasks AS t WHERE (t.owner_id, t.id) = (:owner_id, :id)",
    "in one": "SELECT t.id FROM tasks AS t WHERE t.owner_id IN (:owner_id)",
    "no alias": "SELECT id FROM tasks WHERE owner_id = :owner_id",
    "upper case": "SELECT T.ID FROM TASKS AS T WHERE T.OWNER_ID = :owner_id",
    "quoted": 'SELECT "t"."id" FROM "tasks" AS "t" WHERE "t"."owner_id" = :owner_id',
    "schema": "SELECT t.id FROM public.tasks AS t WHERE t.owner_id = :owner_id",
    "cast to its own type": "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id::text",
    "or within and": (
        "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND (t.id = :id OR t.completed)"
    ),
    "factored out of or": (
        "SELECT t.id FROM tasks AS t WHERE (t.owner_id = :owner_id AND t.id = :id) OR (t.owner_id ="
        " :owner_id AND t.completed)"
    ),
    "join by owner": (
        "SELECT t.id FROM tasks AS t JOIN notes AS n ON n.owner_id = t.owner_id AND n.task_id ="
        " t.id WHERE t.owner_id = :owner_id"
    ),
    "join using": (
        "SELECT t.id FROM tasks AS t JOIN notes AS n USING (owner_id) WHERE t.owner_id = :owner_id"
    ),
    "left join": (
        "SELECT t.id FROM tasks AS t LEFT JOIN notes AS n ON n.owner_id = :owner_id AND n.task_id ="
        " t.id WHERE t.owner_id = :owner_id"
    ),
    "correlated": (
        "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id "
        "AND EXISTS (SELECT 1 FROM notes AS n WHERE n.owner_id = t.owner_id AND n.task_id = t.id)"
    ),
    "not exists": (
        "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND NOT EXISTS (SELECT 1 FROM"
        " notes AS n WHERE n.owner_id = :owner_id AND n.task_id = t.id)"
    ),
    "CTE filtered outside, not materialised": (
        "WITH a AS (SELECT t.id, t.owner_id FROM tasks AS t) SELECT a.id FROM a WHERE a.owner_id ="
        " :owner_id"
    ),
    "sub-select filtered outside": (
        "SELECT s.id FROM (SELECT t.id, t.owner_id FROM tasks AS t) AS s WHERE s.owner_id ="
        " :owner_id"
    ),
    "union filtered outside": (
        "SELECT s.id FROM (SELECT t.id, t.owner_id FROM tasks AS t UNION ALL SELECT n.id,"
        " n.owner_id FROM notes AS n) AS s WHERE s.owner_id = :owner_id"
    ),
    "recursive CTE": (
        "WITH RECURSIVE a AS (SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND t.id ="
        " :id UNION SELECT n.task_id FROM notes AS n JOIN a ON a.id = n.id WHERE n.owner_id ="
        " :owner_id) SELECT a.id FROM a"
    ),
    "lateral": (
        "SELECT l.id FROM tasks AS t CROSS JOIN LATERAL (SELECT n.id FROM notes AS n WHERE"
        " n.owner_id = :owner_id AND n.task_id = t.id ORDER BY n.id LIMIT 1) AS l WHERE t.owner_id"
        " = :owner_id"
    ),
    "a list of ids": (
        "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND t.id = ANY"
        " (ARRAY[:id]::uuid[])"
    ),
    "keyset": (
        "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND (t.created_at, t.id) <"
        " (now(), :id) ORDER BY t.created_at DESC, t.id DESC LIMIT 10"
    ),
    "nothing can match": "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND false",
    "window": (
        "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id ORDER BY row_number() OVER (ORDER"
        " BY t.title)"
    ),
    "generate_series": (
        "SELECT t.id FROM tasks AS t CROSS JOIN generate_series(1, 3) AS g (n) WHERE t.owner_id ="
        " :owner_id AND t.version = g.n"
    ),
    "locked": "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND t.id = :id FOR UPDATE",
    "text that looks like a leak": (
        "SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND t.title <> ' OR true --'"
    ),
}


@pytest.mark.parametrize("sql", GOOD.values(), ids=GOOD)
async def test_a_bound_statement_passes_however_it_is_written(
    sql: str, faults_of: FaultsOf
) -> None:
    """A statement that is bound passes, however it is written; only its header lacks the index."""
    statement, _ = made(sql)
    assert [fault.text for fault in await faults_of(statement) if fault.rule != "index"] == []
