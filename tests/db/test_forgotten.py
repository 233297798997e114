"""Networks that drop idle connections: firewalls, NAT, load balancers."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from service.db import connection as connection_module
from service.db import pool as pool_module
from service.db.errors import QueryFailed
from service.db.pool import Pool
from service.db.queries import Call
from tests.db.conftest import ALICE, Start
from tests.db.untyped import Queries, Transaction
from tests.pooler import through
from tests.relay import relay

SILENCE = 0.3
"""Seconds after which a connection is forgotten."""


class Asked:
    """Counts how often a connection was asked whether it is there."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, data: bytes) -> bytes:
        self.count += len(re.findall(rb"-- schema/ping", data))
        return data


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The limits of a quick test."""
    monkeypatch.setattr(pool_module, "ASK_AFTER", SILENCE / 2)
    monkeypatch.setattr(pool_module, "ASK_TIMEOUT", 0.3)
    monkeypatch.setattr(pool_module, "SWEEP_EVERY", 0.01)
    monkeypatch.setattr(connection_module, "END_TIMEOUT", 0.1)
    return Asked()


@contextlib.asynccontextmanager
async def forgetful(
    notes: str, started: Start, asked: Asked, **settings: float
) -> AsyncIterator[tuple[Queries, Pool]]:
    """Queries over a network that has forgotten all four connections of their pool."""
    async with (
        relay(notes, up=asked, forgets=SILENCE) as port,
        started(through(notes, port, sslmode="disable"), **settings) as (queries, pool),
    ):
        await pool.warm(4, 5)
        await asyncio.sleep(2 * SILENCE)
        yield queries, pool


async def test_after_the_network_forgot_the_connections_every_call_succeeds_at_once(
    notes: str, started: Start, asked: Asked, observed: list[Call]
) -> None:
    """Reads and writes, also unrepeatable ones, succeed at the first try although the network has
    forgotten the connections.
    """
    async with forgetful(notes, started, asked) as (queries, _):
        assert await queries.count("notes/add", ALICE, id=1, body="tea") == 1
        assert len(await queries.many("notes/list", ALICE)) == 1
    assert [call.sqlstate for call in observed] == ["", ""]


async def test_many_calls_at_once_succeed_on_forgotten_connections(
    notes: str, started: Start, asked: Asked, observed: list[Call]
) -> None:
    """Many calls at the same moment succeed at the first try, too."""
    async with forgetful(notes, started, asked) as (queries, _):
        adding = [queries.count("notes/add", ALICE, id=id, body="") for id in range(20)]
        assert await asyncio.gather(*adding) == [1] * 20
    assert {call.sqlstate for call in observed} == {""}


async def test_one_forgotten_connection_replaces_the_others(
    notes: str, started: Start, asked: Asked
) -> None:
    """When one connection was forgotten, the others are replaced without being probed."""
    async with forgetful(notes, started, asked) as (_, pool):
        held = [await pool.acquire(5) for _ in range(4)]
        assert asked.count == 1
        for connection in held:
            assert await connection.fetchval("SELECT 1") == 1
            pool.release(connection)


async def test_a_connection_just_used_is_not_probed(
    notes: str, started: Start, asked: Asked
) -> None:
    """A connection that was used a moment ago is not probed."""
    async with (
        relay(notes, up=asked) as port,
        started(through(notes, port, sslmode="disable")) as (queries, _),
    ):
        for _ in range(5):
            await queries.many("notes/list", ALICE)
            await asyncio.sleep(0.02)
        assert asked.count == 0
        await asyncio.sleep(SILENCE)
        await queries.many("notes/list", ALICE)
        assert asked.count == 1


@pytest.fixture
async def unasked(
    notes: str, started: Start, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Queries]:
    """The same, dropped before the idle test applies: statements time out."""
    monkeypatch.setattr(pool_module, "ASK_AFTER", 60)
    monkeypatch.setattr(pool_module, "SETTLE_TIMEOUT", 0.2)
    async with forgetful(notes, started, asked, db_statement_timeout=0.3) as (queries, _):
        yield queries


async def test_a_read_that_timed_out_is_tried_on_another_connection(
    unasked: Queries, observed: list[Call]
) -> None:
    """A read that timed out on a dead connection is sent on another one, with a new time limit."""
    assert await unasked.many("notes/list", ALICE) == []
    assert [call.sqlstate for call in observed] == ["57014", ""]


async def test_a_repeatable_write_that_timed_out_is_tried_again(
    unasked: Queries, observed: list[Call]
) -> None:
    """A repeatable write that timed out on a dead connection is sent again."""
    assert await unasked.count("notes/store", ALICE, id=1, body="tea") == 1
    assert [call.sqlstate for call in observed] == ["57014", ""]


async def test_an_unrepeatable_write_that_timed_out_is_unknown(
    unasked: Queries, observed: list[Call]
) -> None:
    """Any other write is not sent twice: it may have arrived."""
    with pytest.raises(QueryFailed, match="outcome unknown"):
        await unasked.count("notes/add", ALICE, id=1, body="tea")
    assert [call.sqlstate for call in observed] == ["57014"]


async def test_a_transaction_without_an_answer_to_begin_is_tried_again(
    unasked: Queries, observed: list[Call]
) -> None:
    """A transaction whose BEGIN was not answered has changed nothing: it is tried again."""

    async def work(transaction: Transaction) -> int:
        return await transaction.count("notes/add", id=1, body="tea")

    assert await unasked.transaction(ALICE, work) == 1
    assert [(call.name, call.sqlstate) for call in observed] == [
        ("BEGIN", "57014"),
        ("BEGIN", ""),
        ("notes/add", ""),
        ("COMMIT", ""),
    ]


async def test_a_slow_statement_on_a_live_server_is_not_tried_again(
    notes: str, started: Start, asked: Asked, observed: list[Call]
) -> None:
    """If the server answers the cancel request it is alive: the slow statement is not tried
    again.
    """
    async with started(notes, db_statement_timeout=0.3) as (queries, _):
        with pytest.raises(QueryFailed, match="57014"):
            await queries.one("notes/sleep", ALICE, seconds=60.0)
    assert len(observed) == 1


async def test_readiness_learns_of_a_lost_connection(
    notes: str, started: Start, asked: Asked
) -> None:
    """Readiness learns that a connection was lost."""
    async with forgetful(notes, started, asked) as (queries, _):
        before = queries.doubts
        await queries.many("notes/list", ALICE)
        assert queries.doubts > before
