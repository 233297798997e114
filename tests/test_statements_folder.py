"""Every file of sql/: proven, run by another user, and damaged."""

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from random import Random
from uuid import UUID

import asyncpg
import pytest
from asyncpg.prepared_stmt import PreparedStatement

from service.check import Report, check
from service.db import SQL
from service.db.statement import Statement
from service.db.statements import load, load_shapes, read, shipped
from tests.conftest import cloned

STATEMENTS = shipped()
OWNED = [name for name, statement in STATEMENTS.items() if statement.header.global_because is None]
GLOBAL = [name for name in STATEMENTS if name not in OWNED]

SECRET = "alice's secret"
DELETED = UUID("01890a5d-ac96-774b-bcce-b302099a8058")
"""The id of the task that is in the trash."""
MAX_CALLS = 200
VALUES: dict[str, tuple[object, ...]] = {
    "bool": (True, False),
    "bytea": (b"alice".ljust(32),),
    "float8": (1.0,),
    "int2": (0, 50),
    "int4": (0, 50),
    "int8": (0, 40, 50),
    "jsonb": (json.dumps({"title": SECRET, "completed": True}),),
    "text": (SECRET,),
    "text[]": ([SECRET],),
    "timestamptz": (datetime(2026, 1, 1, tzinfo=UTC),),
    "uuid": (UUID("01890a5d-ac96-774b-bcce-b302099a8057"), DELETED),
    "uuid[]": ([UUID("01890a5d-ac96-774b-bcce-b302099a8057")],),
}
"""Values of alice's, which other owners send, too. A type that is not here fails the test of every statement that has
it.
"""
NAMED: dict[str, tuple[object, ...]] = {
    "letters": ("",),
    "priority": ("high",),
    "rank": (-1, 0),
    "sort": ("title",),
    "time_zone": ("Europe/Berlin",),
    "words": (["%"], ["nothing like it"]),
}
"""By name: where not every value of the type will do."""


@pytest.fixture(scope="session")
def report(checked: tuple[str, Report]) -> Report:
    """What the check says of the whole folder."""
    return checked[1]


@pytest.mark.parametrize("name", STATEMENTS)
def test_each_file_is_true_and_cannot_cross_owners(name: str, report: Report) -> None:
    """The file's header is true, and its statement cannot cross owners."""
    [checked] = [checked for checked in report.statements if checked.statement.name == name]
    assert checked.faults == ()


def test_the_schema_is_sound(report: Report) -> None:
    """Every table has an owner, with owner_id first in each key, or is listed as without owner."""
    assert report.schema == ()


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_server_sees_the_name(name: str) -> None:
    """What the server gets names the statement right after its first word, where pg_stat_statements
    keeps it.
    """
    assert re.search(rf"^[A-Z]+ /\* {name} \*/", STATEMENTS[name].text, re.MULTILINE)


def test_the_index_is_up_to_date(report: Report) -> None:
    """sql/INDEX.md is what `make index` would make of the folder now."""
    assert (SQL / "INDEX.md").read_text("utf-8") == report.markdown() + "\n"


def test_a_statement_counts_as_read_if_it_writes_no_table(report: Report) -> None:
    """A statement counts as a read, and is tried again when its answer is lost, exactly if it
    writes no table.
    """
    for checked in report.statements:
        if checked.tables:
            assert checked.statement.reads == all(
                kinds <= {"SELECT"} for kinds in checked.tables.values()
            ), checked.statement.name


def calls(statement: Statement) -> Iterator[dict[str, object]]:
    """Arguments of the statement but the owner: each of alice's values, and NULL where that is
    allowed.
    """
    rest = [field for field in statement.parameters if field.name != "owner_id"]
    choices = [
        NAMED.get(field.name, VALUES[field.type]) + ((None,) if field.nullable else ())
        for field in rest
    ]
    combined = [*product(*choices)]
    # Of thousands some hundreds, always the same ones.
    if len(combined) > MAX_CALLS:
        combined = Random(statement.name).sample(combined, MAX_CALLS)
    for values in combined:
        yield dict(zip((field.name for field in rest), values, strict=True))


class World:
    """A database in a transaction, in which statements are tried and taken back; in few round trips,
    as there are thousands of calls.
    """

    def __init__(self, connection: asyncpg.Connection, tables: list[str]) -> None:
        self.connection = connection
        self.tables = tables
        self._without_alice = "; ".join(
            f"DELETE FROM {table} WHERE owner_id = 'alice'" for table in reversed(tables)
        )
        self._rows = " UNION ALL ".join(
            f"SELECT owner_id, '{table} ' || t::text AS row FROM {table} AS t" for table in tables
        )
        self._prepared: dict[str, PreparedStatement[asyncpg.Record]] = {}

    async def rows_of(self, *owners: str) -> list[list[str]]:
        """Every row of each owner's, as text."""
        rows = await self.connection.fetch(
            f"SELECT owner_id, row FROM ({self._rows}) AS r WHERE owner_id = ANY ($1) ORDER BY row",
            owners,
        )
        return [[row["row"] for row in rows if row["owner_id"] == owner] for owner in owners]

    async def attempt(self, statement: Statement, owner: str, values: dict[str, object]) -> object:
        """The rows and how many were touched, or the SQLSTATE that came instead."""
        await self.connection.execute("SAVEPOINT attempt")
        return await self._attempt(statement, owner, values)

    async def outcome(
        self, statement: Statement, owner: str, values: dict[str, object], *, alone: bool
    ) -> tuple[object, ...]:
        """What the owner gets, what the owner then has, what alice then has; all of it taken
        back.
        """
        without = self._without_alice if alone else ""
        await self.connection.execute(f"SAVEPOINT outcome; {without}; SAVEPOINT attempt")
        answer = await self._attempt(statement, owner, values)
        his, hers = await self.rows_of(owner, "alice")
        await self.connection.execute("ROLLBACK TO outcome; RELEASE outcome")
        return answer, his, hers

    async def _attempt(self, statement: Statement, owner: str, values: dict[str, object]) -> object:
        """The same, after a savepoint to go back to."""
        names = [field.name for field in statement.parameters]
        arguments = [owner if name == "owner_id" else values[name] for name in names]
        try:
            if (prepared := self._prepared.get(statement.name)) is None:
                prepared = await self.connection.prepare(statement.text)
                self._prepared[statement.name] = prepared
            rows = await prepared.fetch(*arguments)
            return [tuple(row) for row in rows], prepared.get_statusmsg()
        except asyncpg.PostgresError as error:
            await self.connection.execute("ROLLBACK TO attempt")
            return error.sqlstate


@pytest.fixture(scope="session")
def populated(server_dsn: str, template: str, report: Report) -> Iterator[str]:
    """The URL of a database in which alice has rows in every owned table, made by the folder's own
    statements; bob has none.
    """
    makers = [
        checked.statement
        for checked in report.statements
        if any("INSERT" in kinds for kinds in checked.tables.values())
    ]
    with cloned(server_dsn, template) as dsn:
        asyncio.run(populate(dsn, [maker for maker in makers if maker.name in OWNED]))
        yield dsn


async def populate(dsn: str, makers: list[Statement]) -> None:
    async with open_world(dsn) as world:
        for _ in range(2):  # what needs another's row finds it in the second round
            for maker in makers:
                for values in calls(maker):
                    async with world.connection.transaction():
                        await world.attempt(maker, "alice", values)
        gone: dict[str, object] = {"id": DELETED, "wanted": None, "unwanted": "[]"}
        async with world.connection.transaction():
            await world.attempt(STATEMENTS["tasks/delete"], "alice", gone)
        for table in world.tables:
            count = await world.connection.fetchval(
                f"SELECT count(*) FROM {table} WHERE owner_id = 'alice'"
            )
            assert count, (
                f"nothing could be put into {table} for alice: give VALUES what its statements need"
            )


@contextlib.asynccontextmanager
async def open_world(dsn: str) -> AsyncIterator[World]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        "SELECT attrelid::regclass::text AS name FROM pg_attribute JOIN pg_class c ON c.oid ="
        " attrelid WHERE attname = 'owner_id' AND relkind = 'r'"
    )
    yield World(connection, [row["name"] for row in rows])
    await connection.close()


@pytest.fixture
async def world(populated: str) -> AsyncIterator[World]:
    """That database, in a transaction that is rolled back."""
    async with open_world(populated) as world:
        transaction = world.connection.transaction()
        await transaction.start()
        yield world
        await transaction.rollback()


@pytest.mark.parametrize("name", OWNED)
async def test_another_owners_arguments_change_and_show_nothing(name: str, world: World) -> None:
    """Bob, with Alice's ids and values in every parameter, gets the same as without her rows,
    which stay.
    """
    statement = STATEMENTS[name]
    [before] = await world.rows_of("alice")
    reached, worked = False, False
    for values in calls(statement):
        answer, his, hers = await world.outcome(statement, "bob", values, alone=False)
        assert hers == before
        assert (answer, his) == (await world.outcome(statement, "bob", values, alone=True))[:2]
        own, alone = [
            await world.outcome(statement, "alice", values, alone=alone) for alone in (False, True)
        ]
        reached |= own[:2] != alone[:2]  # a DELETE's count among them
        worked |= not isinstance(answer, str)
    assert reached, (
        "alice herself reaches nothing by these values, so they prove nothing: give VALUES better"
        " ones"
    )
    assert worked, "every call fails: give VALUES what the statement takes"


async def test_a_repeatable_statement_run_twice_leaves_the_same(world: World) -> None:
    """What says that it is repeatable leaves, run twice, what it leaves when run once, and answers
    the same. Today no owner's statement says so.
    """
    for name in OWNED:
        statement, worked = STATEMENTS[name], 0
        for values in calls(statement) if statement.header.repeatable_because else ():
            [before] = await world.rows_of("alice")
            answer = await world.attempt(statement, "alice", values)
            [after] = await world.rows_of("alice")
            assert await world.attempt(statement, "alice", values) == answer
            assert await world.rows_of("alice") == [after]
            worked += after != before
        assert worked or not statement.header.repeatable_because, name


@pytest.mark.parametrize("name", GLOBAL)
async def test_a_statement_without_owner_shows_nothing_of_an_owner(name: str, world: World) -> None:
    """A statement without an owner answers nothing of alice's and leaves her rows alone."""
    [before] = await world.rows_of("alice")
    for values in calls(STATEMENTS[name]):
        answer, _, hers = await world.outcome(STATEMENTS[name], "bob", values, alone=False)
        assert "alice" not in repr(answer)
        assert hers == before


CONJUNCT = re.compile(r"\b((?:\w+\.)?owner_id) = :owner_id\b")
VALUE = re.compile(r"(?<!owner_id = ):owner_id\b")
SET = re.compile(r"\bSET\b")
WEAKER = {
    "dropped": ":owner_id::text IS NOT NULL",
    "or true": "({0} = :owner_id OR true)",
    "or null": "({0} = :owner_id OR :owner_id::text IS NULL)",
    "not": "NOT ({0} = :owner_id)",
    "unequal": "{0} <> :owner_id",
    "at least": "{0} >= :owner_id",
    "at most": "{0} <= :owner_id",
    "like": "{0} LIKE :owner_id",
    "not distinct": "{0} IS NOT DISTINCT FROM :owner_id",
    "itself": "{0} = {0} AND :owner_id::text IS NOT NULL",
    "literal": "{0} = 'mallory' AND :owner_id::text IS NOT NULL",
    "column computed": "lower({0}) = :owner_id",
    "parameter computed": "{0} = lower(:owner_id)",
    "one of two": "{0} = ANY (ARRAY[:owner_id, 'mallory'])",
    "coalesced": "coalesce({0} = :owner_id, true)",
    "case": "CASE WHEN now() IS NULL THEN true ELSE {0} = :owner_id END",
}
OTHER_VALUES = [
    "lower(:owner_id)",
    "left(:owner_id, 3)",
    "('mallory' || left(:owner_id, 0))",
    "coalesce(:owner_id, 'mallory')",
]


def mutants(statement: Statement) -> Iterator[tuple[str, str]]:
    """The file, damaged at one place in one way: what was done, and the text."""
    lines = statement.source.splitlines(keepends=True)
    header = "".join(line for line in lines if line.startswith("--"))
    body = "".join(line for line in lines if not line.startswith("--"))
    for pattern, changes in ((CONJUNCT, list(WEAKER.values())), (VALUE, OTHER_VALUES)):
        for found in pattern.finditer(body):
            for change in changes:
                text = change.format(*found.groups())
                yield (
                    f"{found[0]} → {text}",
                    header + body[: found.start()] + text + body[found.end() :],
                )
    if statement.text.upper().count("UPDATE"):
        for found in SET.finditer(body):
            yield (
                "SET owner_id",
                f"{header}{body[: found.end()]} owner_id = 'mallory',{body[found.end() :]}",
            )


async def test_every_weakened_statement_is_refused(
    playground: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each statement, damaged in each way that drops or weakens its owner, is refused for that."""
    connection = await asyncpg.connect(playground)
    shapes = load_shapes(SQL)
    damaged = {
        f"{name}: {what}": read(name, text.encode(), statement.file, shapes)
        for name, statement in STATEMENTS.items()
        if name in OWNED
        for what, text in mutants(statement)
    }
    report = await check(connection, damaged, checks=STATEMENTS)
    await connection.close()
    rules = [{fault.rule for fault in checked.faults} for checked in report.statements]
    alive = [
        what
        for what, rule in zip(damaged, rules, strict=True)
        if not rule & {"owner", "insert-owner", "set-owner", "upsert"}
    ]
    with capsys.disabled():
        sys.stdout.write(f"\nmutants: {len(damaged)} made, {len(damaged) - len(alive)} killed\n")
    assert alive == []
    assert {what.partition(":")[0] for what in damaged} == set(OWNED)


async def test_a_new_file_is_checked(tmp_path: Path, playground: str) -> None:
    """A file that is put into the folder is checked like the others, with no other change."""
    for folder, sql in (
        ("good", "WHERE n.owner_id = :owner_id AND n.id = :id"),
        ("bad", "WHERE n.id = :id OR :owner_id <> ''"),
    ):
        (tmp_path / "sql" / folder).mkdir(parents=True)
        (tmp_path / "sql" / folder / "read.sql").write_text(
            f"-- {folder}/read: one note.\n-- params:  owner_id text, id uuid\n-- returns: maybe"
            f" (id uuid)\n-- index:   notes_pkey\nSELECT n.id\n  FROM notes AS n\n {sql};\n"
        )
    connection = await asyncpg.connect(playground)
    report = await check(connection, load(tmp_path / "sql"), checks=STATEMENTS)
    await connection.close()
    assert {checked.statement.name: bool(checked.faults) for checked in report.statements} == {
        "bad/read": True,
        "good/read": False,
    }
    assert {fault.where for fault in report.faults} == {
        "sql/bad/read.sql:3:1",
        "sql/bad/read.sql:6:8",
    }
