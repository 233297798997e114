"""How each statement is run where owners have many tasks and few: its plans, and the blocks that it
touches.
"""

import asyncio
from collections.abc import Iterator
from itertools import product
from uuid import uuid4

import asyncpg
import pytest

from service.db import SQL
from service.db.statements import load
from tests.bench import fill
from tests.conftest import administer, with_database
from tests.plans import MODES, Plan, plan_of, values_for

Plans = dict[tuple[str, str, str], Plan]
"""By statement, statistics and mode."""

STATEMENTS = {
    name: statement
    for name, statement in load(SQL).items()
    if statement.header.global_because is None
}
OWNERS, SMALL, LARGE = 3000, 5, 10_000
"""So many owners with few tasks; the first of them has many more."""

STATISTICS = ("none", "fresh")
"""What the server knows of the tables: nothing, as right after a restore, or what VACUUM ANALYZE
tells.
"""

BLOCKS = {
    "changes/list": 20,
    "owners/get": 7,
    "owners/usage": 7,
    "tasks/create": 39,
    "tasks/create_once": 24,
    "tasks/delete": 48,
    "tasks/get": 8,
    "tasks/list": 15,
    "tasks/list_after": 14,
    "tasks/patch": 48,
    "tasks/patch_once": 36,
    "tasks/put": 42,
}
"""Blocks of 8 KiB that a statement may touch for the owner of many; half as much again as it does.
A new one needs its number.
"""


async def _plans(dsn: str, name: str) -> Plans:
    own = with_database(dsn, name)
    connection = await asyncpg.connect(own)
    for table in ("tasks", "owners", "tombstones", "idempotency_keys"):
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    await fill.add(own, fill.SERVICE, 0, OWNERS * SMALL, OWNERS)
    await fill.add(own, fill.SERVICE, OWNERS * SMALL, LARGE, 1)
    await connection.execute(fill.REST.format(every=1))
    middle = fill.task_id(OWNERS * SMALL + LARGE // 2)
    plans = {}
    for statistics in STATISTICS:
        for statement in STATEMENTS.values():
            values = values_for(statement, fill.owner_id(0), middle, sequence=2 * (LARGE + SMALL))
            for mode in MODES:
                plans[statement.name, statistics, mode] = await plan_of(
                    connection, statement, values, mode, run=True
                )
        await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return plans


@pytest.fixture(scope="module")
def plans(server_dsn: str, template: str) -> Iterator[Plans]:
    """Made once."""
    name = f"plans_{uuid4().hex}"
    administer(server_dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield asyncio.run(_plans(server_dsn, name))
    administer(server_dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_reads_by_its_indexes(name: str, plans: Plans) -> None:
    """Each statement reads by the indexes of its header and in no other way, whether the server
    knows the tables or not.
    """
    told = set(STATEMENTS[name].header.indexes)
    for statistics, mode in product(STATISTICS, MODES):
        plan = plans[name, statistics, mode]
        assert plan.indexes == told, (statistics, mode)
        assert "Seq Scan" not in plan.scans, (statistics, mode)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_touches_few_blocks(name: str, plans: Plans) -> None:
    """Each statement touches a few blocks, whatever the owner has: no plan walks all of it once the
    server knows the tables.
    """
    for mode in MODES:
        assert plans[name, "fresh", mode].blocks <= BLOCKS[name], mode
