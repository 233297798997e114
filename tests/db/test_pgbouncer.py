"""Messages that PgBouncer itself sends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from service.db.errors import QueryFailed
from service.db.queries import Call
from tests.db.conftest import ALICE, Start
from tests.db.untyped import Queries, Transaction
from tests.pooler import pgbouncer, through

OPTIONS = {"default_pool_size": "1", "query_wait_timeout": "1"}


@contextlib.asynccontextmanager
async def taken(dsn: str) -> AsyncIterator[None]:
    """PgBouncer's only server connection is in another client's transaction."""
    other = await asyncpg.connect(dsn, statement_cache_size=0)
    try:
        async with other.transaction():
            yield
    finally:
        await other.close()


@pytest.fixture
async def waiting(
    notes: str, tmp_path: Path, started: Start, observed: list[Call]
) -> AsyncIterator[tuple[Queries, str]]:
    """Queries that are connected to a PgBouncer with one session, and how to get there."""
    with pgbouncer(notes, tmp_path, [("postgres", "")], OPTIONS) as port:
        dsn = through(notes, port)
        async with started(dsn) as (queries, _):
            await queries.many("notes/list", ALICE)
            observed.clear()
            yield queries, dsn


async def test_a_write_that_pgbouncer_refused_is_tried_again(
    waiting: tuple[Queries, str], observed: list[Call]
) -> None:
    """A write that PgBouncer refuses after a wait was sent to no server: it is tried again, and its
    outcome is known.
    """
    queries, dsn = waiting
    async with taken(dsn):
        with pytest.raises(QueryFailed) as raised:
            await queries.count("notes/add", ALICE, id=1, body="tea")
    assert (raised.value.sqlstate, raised.value.unknown) == ("08P01", False)
    assert [call.sqlstate for call in observed] == ["08P01"] * 3
    assert await queries.many("notes/list", ALICE) == []


async def test_a_refused_write_succeeds_when_a_session_comes_free(
    waiting: tuple[Queries, str], observed: list[Call]
) -> None:
    """When a session comes free meanwhile, the write and a transaction succeed."""
    queries, dsn = waiting

    async def work(transaction: Transaction) -> int:
        return await transaction.count("notes/add", id=2, body="milk")

    async with taken(dsn):
        asked = asyncio.gather(
            queries.count("notes/add", ALICE, id=1, body="tea"), queries.transaction(ALICE, work)
        )
        while len(observed) < 2:
            await asyncio.sleep(0.01)
    assert list(await asked) == [1, 1]
    assert {call.sqlstate for call in observed} == {"08P01", ""}
