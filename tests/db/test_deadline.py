"""All waits on behalf of a request end with its deadline."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from service.db import deadline
from service.db.deadline import Deadline
from service.db.errors import QueryFailed
from service.db.queries import Call
from tests.db.conftest import ALICE, Start
from tests.faults.wire import Wire


@pytest.fixture
def until() -> Iterator[Deadline]:
    """A request that has half a second."""
    request = Deadline(time.monotonic() + 0.5)
    token = deadline.current.set(request)
    yield request
    deadline.current.reset(token)


def test_a_wait_leaves_time_for_the_answer() -> None:
    """Within a request a wait leaves time for the answer; outside one it has its own limit
    alone.
    """
    assert deadline.within(7) == 7
    token = deadline.current.set(Deadline(time.monotonic() + 10))
    assert deadline.within(7) == 7
    assert 9 < deadline.within(60) < 9.6
    deadline.current.reset(token)


async def test_a_statement_ends_with_its_request(
    notes: str, started: Start, until: Deadline
) -> None:
    """A statement may take no longer than its request, whatever DB_STATEMENT_TIMEOUT says."""
    async with started(notes, db_statement_timeout=60) as (queries, _):
        deadline.current.set(until)
        with pytest.raises(QueryFailed, match="57014"):
            await queries.one("notes/sleep", ALICE, seconds=60.0)
        assert time.monotonic() < until.at + 5


async def test_waiting_for_a_connection_ends_with_its_request(
    notes: str, started: Start, until: Deadline
) -> None:
    """The wait for a connection ends with its request, whatever DB_ACQUIRE_TIMEOUT says."""
    async with (
        started(notes, db_pool_max=1, db_acquire_timeout=60) as (queries, pool),
        pool.connection(5),
    ):
        deadline.current.set(until)
        with pytest.raises(QueryFailed, match="53300"):
            await queries.many("notes/list", ALICE)
        assert time.monotonic() < until.at + 5


async def test_connecting_ends_with_its_request(
    notes: str, started: Start, until: Deadline
) -> None:
    """Connecting to something that never answers ends with its request."""
    async with Wire(notes).laid() as wire, started(wire.dsn, db_acquire_timeout=60) as (queries, _):
        wire.hole = True
        deadline.current.set(until)
        with pytest.raises(QueryFailed, match="53300"):
            await queries.many("notes/list", ALICE)
        assert time.monotonic() < until.at + 5


async def test_nothing_is_sent_after_the_deadline(
    notes: str, started: Start, observed: list[Call], until: Deadline
) -> None:
    """After the deadline a write is not sent, so nothing was changed."""
    async with started(notes) as (queries, pool):
        await pool.warm(1, 5)
        deadline.current.set(until)
        until.at = time.monotonic() - 1
        with pytest.raises(QueryFailed, match="no time is left") as raised:
            await queries.count("notes/add", ALICE, id=1, body="")
        assert not raised.value.unknown
        until.at += 60
        assert await queries.many("notes/list", ALICE) == []
    assert len(observed) == 2


async def test_no_retry_begins_after_the_deadline(
    started: Start, observed: list[Call], until: Deadline
) -> None:
    """Without time for the pause there is no second try."""
    async with started("postgresql://alice@127.0.0.1:1/notes") as (queries, _):
        deadline.current.set(until)
        until.at = time.monotonic() + 0.001
        with pytest.raises(QueryFailed):
            await queries.many("notes/list", ALICE)
    assert len(observed) == 1


async def test_a_cancelled_write_is_in_doubt_and_a_read_is_not(
    notes: str, started: Start, until: Deadline
) -> None:
    """The request knows whether a write was under way when it was cancelled; a read never is."""
    async with started(notes) as (queries, pool):
        await pool.warm(2, 5)  # so that a call is under way at its first step
        deadline.current.set(until)
        for ask, doubt in (
            (queries.one("notes/sleep", ALICE, seconds=60.0), False),
            (queries.count("notes/brew", ALICE, id=1, seconds=60.0), True),
        ):
            until.at = time.monotonic() + 60
            running = asyncio.create_task(ask)
            await asyncio.sleep(0.05)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert until.unknown is doubt


async def test_a_retry_that_settles_a_write_ends_the_doubt(
    notes: str, started: Start, until: Deadline
) -> None:
    """Once a retry shows how a write ended, its outcome is known."""
    async with Wire(notes).laid() as wire, started(wire.dsn) as (queries, _):
        deadline.current.set(until)
        until.at += 60
        wire.cut_at = b"INSERT 0 1\x00"
        assert await queries.count("notes/store", ALICE, id=1, body="") == 1
        assert (wire.cuts, until.unknown) == (1, False)
        wire.cut_at = b"INSERT 0 1\x00"
        with pytest.raises(QueryFailed, match="outcome unknown"):
            await queries.count("notes/add", ALICE, id=2, body="")
