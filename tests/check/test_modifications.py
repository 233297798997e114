"""New rows are the owner's, and no row changes its owner."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from service.check import Fault
from tests.check.playground import made

FaultsOf = Callable[..., Awaitable[tuple[Fault, ...]]]
INSERT = "INSERT INTO tasks AS t (owner_id, id, title)"


class Wrong(NamedTuple):
    """A write with one fault, its rule, and what the message says."""

    sql: str
    rule: str = "insert-owner"
    says: str = "must be :owner_id itself"
    ddl: str = ""
    params: str = "owner_id text, id uuid, other text"
    returns: str = "count"


WRONG = {
    "another parameter": Wrong(f"{INSERT} VALUES (▸:other, :id, :owner_id)"),
    "a literal": Wrong(f"{INSERT} VALUES (▸'mallory', :id, :owner_id)"),
    "computed": Wrong(f"{INSERT} VALUES (▸lower(:owner_id), :id, 't')"),
    "concatenated": Wrong(f"{INSERT} VALUES (:owner_id ▸|| '', :id, 't')"),
    "default": Wrong(f"{INSERT} VALUES (DEFAULT, :id, :owner_id)", says="without owner_id"),
    "left out": Wrong(
        "INSERT INTO tasks (id, title) VALUES (:id, :owner_id)", says="without owner_id"
    ),
    "one row of several": Wrong(f"{INSERT} VALUES (:owner_id, :id, 't'), ('mallory', :id, 't')"),
    "one arm of a union": Wrong(
        f"{INSERT} SELECT :owner_id::text, :id::uuid, 't' UNION ALL SELECT 'mallory', :id, 't'"
    ),
    "a column of a bound row": Wrong(
        f"{INSERT} SELECT ▸n.body, n.id, 't' FROM notes AS n WHERE n.owner_id = :owner_id"
    ),
    "a sub-select": Wrong(
        f"{INSERT} VALUES (▸(SELECT o.note FROM ledgers AS o WHERE o.owner_id = :owner_id), :id,"
        " 't')"
    ),
    "a CTE": Wrong(
        f"WITH a AS (SELECT :other::text AS o, :owner_id::text AS p) {INSERT} SELECT ▸a.o, :id, a.p"
        " FROM a"
    ),
    "in a CTE": Wrong(
        f"WITH made AS ({INSERT} VALUES (▸:other, :id, 't') RETURNING t.id) SELECT m.id FROM made"
        " AS m WHERE :owner_id <> ''",
        returns="maybe (id uuid)",
    ),
    "update": Wrong(
        "UPDATE tasks AS t SET owner_id = ▸:other WHERE t.owner_id = :owner_id AND t.id = :id",
        "set-owner",
        "never change hands",
    ),
    "update to itself": Wrong(
        "UPDATE ledgers AS o SET owner_id = ▸:owner_id WHERE o.owner_id = :owner_id",
        "set-owner",
        "never change",
    ),
    "update by row": Wrong(
        "UPDATE tasks AS t SET (title, owner_id) = (SELECT 'a', :other::text) WHERE t.owner_id ="
        " :owner_id AND t.id = :id",
        "set-owner",
        "never change hands",
    ),
    "upsert that gives away": Wrong(
        "INSERT INTO ledgers AS o (owner_id) VALUES (:owner_id) ON CONFLICT (owner_id) DO UPDATE"
        " SET owner_id = ▸:other",
        "set-owner",
        "never change hands",
    ),
    "upsert arbitrated without owner": Wrong(
        f"▸{INSERT} VALUES (:owner_id, :id, 't') ON CONFLICT (title) DO UPDATE SET title ="
        " 'stolen'",
        "upsert",
        "name a unique key that contains owner_id",
        "CREATE UNIQUE INDEX tasks_title ON tasks (title)",
    ),
    "upsert arbitrated without owner, ignored": Wrong(
        f"▸{INSERT} VALUES (:owner_id, :id, 't') ON CONFLICT (id) DO NOTHING",
        "upsert",
        "across owners",
        "CREATE UNIQUE INDEX tasks_id ON tasks (id)",
    ),
    "upsert arbitrated by an index that only carries the owner": Wrong(
        f"▸{INSERT} VALUES (:owner_id, :id, 't') ON CONFLICT (id) DO NOTHING",
        "upsert",
        "across owners",
        "CREATE UNIQUE INDEX tasks_id ON tasks (id) INCLUDE (owner_id)",
    ),
    "global table": Wrong(
        "INSERT INTO ▸migration_checksums (id, sha256) VALUES (:other, :owner_id)",
        "opaque",
        "has no owner",
    ),
    "global table in a CTE": Wrong(
        "WITH m AS (DELETE FROM ▸migration_checksums AS c WHERE c.id = :other RETURNING c.id) "
        "DELETE FROM tasks AS t WHERE t.owner_id = :owner_id AND t.title IN (SELECT m.id FROM m)",
        "opaque",
        "has no owner",
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_a_write_to_another_owners_row_is_refused(wrong: Wrong, faults_of: FaultsOf) -> None:
    """A write that creates or takes another owner's row is refused, with its position."""
    statement, places = made(wrong.sql, wrong.returns, wrong.params)
    faults = [fault for fault in await faults_of(statement, wrong.ddl) if fault.rule != "index"]
    assert {fault.rule for fault in faults} == {wrong.rule}
    assert wrong.says in faults[0].text
    assert not places or faults[0].where in places


LOCKED = (
    "WITH locked AS (SELECT o.owner_id, o.sequence FROM ledgers AS o WHERE o.owner_id = :owner_id"
    " FOR UPDATE)"
)
COUNTED = """WITH counted AS (
    INSERT INTO ledgers AS o (owner_id, sequence, open) VALUES (:owner_id, 1, 1)
    ON CONFLICT (owner_id) DO UPDATE SET sequence = o.sequence + 1, open = o.open + 1
    RETURNING o.owner_id, o.sequence)"""
RIGHT = {
    "values": (f"{INSERT} VALUES (:owner_id, :id, 't') RETURNING t.id", "one (id uuid)"),
    "several rows": (
        (
            f"{INSERT} VALUES (:owner_id, :id, 'a'), (:owner_id, gen_random_uuid(), 'b') RETURNING"
            " t.id"
        ),
        "many (id uuid)",
    ),
    "select": (f"{INSERT} SELECT :owner_id, :id, 't' RETURNING t.id", "one (id uuid)"),
    "owner of a bound row": (
        f"{INSERT} SELECT n.owner_id, n.id, 't' FROM notes AS n WHERE n.owner_id = :owner_id",
        "count",
    ),
    "upsert": (
        (
            f"{INSERT} VALUES (:owner_id, :id, 't') ON CONFLICT (owner_id, id) DO UPDATE SET title"
            " = EXCLUDED.title RETURNING t.id"
        ),
        "one (id uuid)",
    ),
    "upsert on constraint": (
        (
            f"{INSERT} VALUES (:owner_id, :id, 't') ON CONFLICT ON CONSTRAINT tasks_pkey DO UPDATE"
            " SET title = 'u'"
        ),
        "count",
    ),
    "upsert with a condition": (
        (
            f"{INSERT} VALUES (:owner_id, :id, 't') ON CONFLICT (owner_id, id) DO UPDATE SET title"
            " = 'u' WHERE t.version = 1 RETURNING t.id"
        ),
        "maybe (id uuid)",
    ),
    "insert once": (
        f"{INSERT} VALUES (:owner_id, :id, 't') ON CONFLICT DO NOTHING RETURNING t.id",
        "maybe (id uuid)",
    ),
    "create with a sequence": (
        f"{COUNTED} {INSERT} SELECT c.owner_id, :id, 't' FROM counted AS c RETURNING t.id",
        "one (id uuid)",
    ),
    "change with a sequence": (
        f"""{LOCKED}, changed AS (
               UPDATE tasks AS t SET title = 'u', version = l.sequence + 1 FROM locked AS l
                WHERE t.owner_id = :owner_id AND t.id = :id RETURNING t.id, t.owner_id, t.version),
            counted AS (
               UPDATE ledgers AS o SET sequence = c.version FROM changed AS c WHERE o.owner_id = :owner_id)
            SELECT c.id FROM changed AS c""",
        "maybe (id uuid)",
    ),
    "delete with a tombstone": (
        f"""{LOCKED}, gone AS (
               DELETE FROM tasks AS t USING locked AS l WHERE t.owner_id = :owner_id AND t.id = :id
               RETURNING t.owner_id, t.id, l.sequence + 1 AS sequence),
            buried AS (
               INSERT INTO graves (owner_id, task_id, sequence) SELECT g.owner_id, g.id, g.sequence FROM gone AS g
               ON CONFLICT (owner_id, task_id) DO UPDATE SET sequence = EXCLUDED.sequence)
            UPDATE ledgers AS o SET sequence = g.sequence FROM gone AS g WHERE o.owner_id = :owner_id""",
        "count",
    ),
    "claim a key": (
        """INSERT INTO replays AS k (owner_id, key, request) VALUES (:owner_id, 'k', 'r')
           ON CONFLICT (owner_id, key) DO NOTHING RETURNING k.key""",
        "maybe (key text)",
    ),
    "forget old keys": (
        """DELETE FROM replays AS k WHERE k.owner_id = :owner_id AND k.key IN (
               SELECT o.key FROM replays AS o WHERE o.owner_id = :owner_id AND o.stored_at < now() - interval '1 day'
                ORDER BY o.stored_at LIMIT 10)""",
        "count",
    ),
    "changes": (
        """SELECT c.id, c.sequence FROM (
               SELECT t.id, t.version AS sequence FROM tasks AS t WHERE t.owner_id = :owner_id AND t.version > 3
               UNION ALL
               SELECT d.task_id, d.sequence FROM graves AS d WHERE d.owner_id = :owner_id AND d.sequence > 3) AS c
           ORDER BY c.sequence LIMIT 10""",
        "many (id uuid, sequence int8)",
    ),
}


@pytest.mark.parametrize(("sql", "returns"), RIGHT.values(), ids=RIGHT)
async def test_a_write_to_the_owners_rows_passes(
    sql: str, returns: str, faults_of: FaultsOf
) -> None:
    """A write that keeps to its owner passes, also where one statement has several."""
    statement, _ = made(sql, returns)
    assert [fault.text for fault in await faults_of(statement) if fault.rule != "index"] == []
