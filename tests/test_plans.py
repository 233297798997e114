"""The plan of each statement, for owners with many tasks and few, and the blocks that it reads."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from itertools import product
from uuid import uuid4

import asyncpg
import pytest

from service.db.statements import shipped
from tests.bench import fill
from tests.conftest import administer, with_database
from tests.plans import MODES, Plan, plan_of, values_for

Plans = dict[tuple[str, str, str], Plan]
"""By statement, statistics and mode."""

STATEMENTS = {
    name: statement
    for name, statement in shipped().items()
    if statement.header.global_because is None
}
OWNERS, SMALL, LARGE = 3000, 5, 10_000
"""So many owners with few tasks; the first of them has many more."""
MANY = 100_000
"""So many owners with one task."""

STATISTICS = ("none", "fresh", "one row an owner")
"""What the server knows of the tables: nothing, as right after a restore; what VACUUM ANALYZE
tells; and what that tells where nearly every owner has one row, so that a sample of the rows makes
every owner small.
"""
DONE, OPEN = 50_000, 3
"""A user who completes every task."""

BLOCKS = {
    "account/erase_keys": 78,
    "account/erase_owner": 6,
    "account/erase_tasks": 100,
    "changes/list": 20,
    "keys/claim": 23,
    "keys/get": 8,
    "keys/keep": 5,
    "owners/get": 5,
    "owners/lock_create": 11,
    "owners/sweep": 27,
    "tasks/change": 17,
    "tasks/create": 24,
    "tasks/delete": 17,
    "tasks/erase": 15,
    "tasks/filter": 1_460,
    "tasks/get": 6,
    "tasks/list": 20,
    "trash/erase": 14,
    "trash/list": 100,
    "trash/restore": 20,
}
"""Blocks of 8 KiB that a statement may touch for the owner of many; half as much again as it does.
A new one needs its number.
"""


READING_ALL = {"tasks/filter"}
"""What reads all that the owner has: by any index, or by none if that is most of the table."""


@contextlib.contextmanager
def _cloned(server_dsn: str, template: str) -> Iterator[str]:
    """The name of a migrated database, which goes with the block however that ends."""
    name = f"plans_{uuid4().hex}"
    administer(server_dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield name
    finally:
        administer(server_dsn, f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that is closed however the block ends."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _filled(dsn: str, name: str, owners: int, each: int) -> AsyncIterator[asyncpg.Connection]:
    """A database in which many owners have `each` tasks, and the first has many more."""
    own = with_database(dsn, name)
    async with _connected(own) as connection:
        for table in ("tasks", "owners", "idempotency_keys"):
            await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        await fill.add(own, fill.SERVICE, 0, owners * each, owners)
        await fill.add(own, fill.SERVICE, owners * each, LARGE, 1)
        await connection.execute(fill.REST.format(every=each))
        yield connection


async def _planned(
    connection: asyncpg.Connection, statistics: str, middle: str, each: int
) -> Plans:
    plans = {}
    for statement in STATEMENTS.values():
        values = values_for(statement, fill.owner_id(0), middle, sequence=2 * (LARGE + each))
        for mode in MODES:
            plan = await plan_of(connection, statement, values, mode, run=True)
            if plan.blocks > BLOCKS[statement.name]:  # a page was split, or the table extended
                again = await plan_of(connection, statement, values, mode, run=True)
                plan = min(plan, again, key=lambda plan: plan.blocks)
            plans[statement.name, statistics, mode] = plan
    return plans


async def _plans(dsn: str, names: list[str]) -> Plans:
    middle = fill.task_id(OWNERS * SMALL + LARGE // 2)
    async with _filled(dsn, names[0], OWNERS, SMALL) as connection:
        plans = await _planned(connection, "none", middle, SMALL)
        await connection.execute("VACUUM ANALYZE")
        plans |= await _planned(connection, "fresh", middle, SMALL)
    async with _filled(dsn, names[1], MANY, 1) as connection:
        await connection.execute("VACUUM ANALYZE")
        middle = fill.task_id(MANY + LARGE // 2)
        plans |= await _planned(connection, "one row an owner", middle, 1)
    return plans


@pytest.fixture(scope="module")
def plans(server_dsn: str, template: str) -> Iterator[Plans]:
    """Made once."""
    with _cloned(server_dsn, template) as few, _cloned(server_dsn, template) as many:
        yield asyncio.run(_plans(server_dsn, [few, many]))


@pytest.mark.parametrize("name", [name for name in STATEMENTS if name not in READING_ALL])
def test_a_statement_reads_by_its_indexes(name: str, plans: Plans) -> None:
    """Each statement reads by the indexes of its header and in no other way, whatever the server
    knows of the tables.
    """
    told = set(STATEMENTS[name].header.indexes)
    for statistics, mode in product(STATISTICS, MODES):
        plan = plans[name, statistics, mode]
        assert plan.indexes == told, (statistics, mode)
        assert "Seq Scan" not in plan.scans, (statistics, mode)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_touches_few_blocks(name: str, plans: Plans) -> None:
    """Each statement touches a few blocks, whatever the owner has, the others have, and the server
    knows of it: no plan walks all of it.
    """
    for statistics, mode in product(STATISTICS, MODES):
        assert plans[name, statistics, mode].blocks <= BLOCKS[name], (statistics, mode)


async def _tick_off(dsn: str) -> None:
    """Fill the database; three tasks are open: the oldest, one in the middle, and a new one."""
    completed = f"n NOT IN (0, {DONE // 2}, {DONE}) AS completed"
    ticked = fill.SERVICE.replace("n / $3::int % 3 = 0 AS completed", completed)
    async with _connected(dsn) as connection:
        await fill.add(dsn, ticked, 0, DONE + OPEN, 1)
        await connection.execute("ANALYZE")
        counts = await connection.fetch("SELECT open, completed FROM owners")
        assert [tuple(row) for row in counts] == [(OPEN, DONE)]


@pytest.fixture(scope="module")
def ticked_off(server_dsn: str, template: str) -> Iterator[str]:
    """The URL of a database with the tasks of a user who completes every task."""
    with _cloned(server_dsn, template) as name:
        dsn = with_database(server_dsn, name)
        asyncio.run(_tick_off(dsn))
        yield dsn


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("below", [0, DONE // 2 + 1, DONE])
@pytest.mark.parametrize("completed", [None, True, False])
async def test_a_page_costs_the_same_at_any_depth(
    ticked_off: str, completed: bool | None, below: int, mode: str
) -> None:
    """A page of open tasks, of done ones or of both touches a few blocks from the first page to the
    last, also with three open ones among 50,000.
    """
    async with _connected(ticked_off) as connection:
        created_at = await connection.fetchval(
            "SELECT created_at FROM tasks WHERE id = $1", fill.task_id(DONE + OPEN - 1 - below)
        )
        statement = STATEMENTS["tasks/list"]
        values = values_for(statement, fill.owner_id(0), fill.task_id(0), sequence=0) | {
            "completed": completed,
            "created_at": created_at,
        }
        plan = await plan_of(connection, statement, values, mode, run=True)
    assert plan.blocks <= BLOCKS["tasks/list"]


async def test_deleting_and_putting_again_leaves_the_feed_short(database: str) -> None:
    """A task that was deleted and put again is one row: the feed skips its earlier deletions."""
    async with _connected(database) as connection:
        await fill.add(database, fill.SERVICE, 0, 1000, 1)
        owner, ids = fill.owner_id(0), [fill.task_id(number) for number in range(1000)]
        run = {
            name: await connection.prepare(STATEMENTS[name].text)
            for name in ("tasks/delete", "owners/lock_create", "tasks/erase", "tasks/create")
        }
        await connection.execute("UPDATE tasks SET completed = false, completed_at = NULL")
        await connection.execute("UPDATE owners SET open = open + completed, completed = 0")
        usual: tuple[object, ...] = (None, False, "medium", [], None, False, None, None, None)
        for _ in range(3):
            for id in ids:
                await run["tasks/delete"].fetch(owner, id, None, "[]")
                sequence = await run["owners/lock_create"].fetchval(owner, 1, 0, 1, None, None)
                await run["tasks/erase"].fetch(owner, id)
                await run["tasks/create"].fetch(owner, id, "t", *usual, 1, *[sequence] * 2)
        await connection.execute("VACUUM ANALYZE")
        statement = STATEMENTS["changes/list"]
        values = values_for(statement, owner, ids[0], sequence=0)
        plan = await plan_of(connection, statement, values, MODES[0], run=True)
    assert plan.blocks <= BLOCKS["changes/list"]


async def test_a_sweep_starts_where_the_last_one_ended(database: str) -> None:
    """A sweep starts where the last one ended: it skips dead index entries that an old snapshot
    keeps.
    """
    statement = STATEMENTS["owners/sweep"]
    async with _connected(database) as connection, _connected(database) as onlooker:
        await fill.add(database, fill.SERVICE, 0, 5000, 1)
        await connection.execute(fill.REST.format(every=1))
        await connection.execute(
            "UPDATE tasks SET deleted_at = deleted_at - interval '31 days';"
            "UPDATE idempotency_keys SET created_at = created_at - interval '2 days'"
        )
        await connection.execute("VACUUM ANALYZE")
        snapshot = onlooker.transaction(isolation="repeatable_read")
        await snapshot.start()
        await onlooker.fetch("SELECT FROM owners")
        values = values_for(statement, fill.owner_id(0), fill.task_id(0), sequence=0)
        first = await plan_of(connection, statement, values, MODES[0], run=True)
        for _ in range(40):
            await connection.execute(statement.text, fill.owner_id(0))
        later = await plan_of(connection, statement, values, MODES[0], run=True)
        await snapshot.rollback()
    assert later.blocks <= 1.5 * first.blocks
