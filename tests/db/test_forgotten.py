"""Networks that forget connections which are silent: firewalls, NAT, load balancers."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from service.db import pool as pool_module
from service.db.pool import Pool
from service.db.queries import Call
from tests.db.conftest import ALICE, Start
from tests.db.untyped import Queries
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


async def test_nobody_notices(
    notes: str, started: Start, asked: Asked, observed: list[Call]
) -> None:
    """Reads and writes, also those that may not be sent twice, are done at the first try."""
    async with forgetful(notes, started, asked) as (queries, _):
        assert await queries.count("notes/add", ALICE, id=1, body="tea") == 1
        assert len(await queries.many("notes/list", ALICE)) == 1
    assert [call.sqlstate for call in observed] == ["", ""]


async def test_many_at_once(notes: str, started: Start, asked: Asked, observed: list[Call]) -> None:
    """So are many that come at the same moment."""
    async with forgetful(notes, started, asked) as (queries, _):
        adding = [queries.count("notes/add", ALICE, id=id, body="") for id in range(20)]
        assert await asyncio.gather(*adding) == [1] * 20
    assert {call.sqlstate for call in observed} == {""}


async def test_one_speaks_for_all(notes: str, started: Start, asked: Asked) -> None:
    """When one was forgotten the others are replaced unasked."""
    async with forgetful(notes, started, asked) as (_, pool):
        held = [await pool.acquire(5) for _ in range(4)]
        assert asked.count == 1
        for connection in held:
            assert await connection.fetchval("SELECT 1") == 1
            pool.release(connection)


async def test_one_that_is_used_is_not_asked(notes: str, started: Start, asked: Asked) -> None:
    """A connection that was used a moment ago costs no question."""
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


async def test_doubt_is_known(notes: str, started: Start, asked: Asked) -> None:
    """Readiness hears that a connection was lost."""
    async with forgetful(notes, started, asked) as (queries, _):
        before = queries.doubts
        await queries.many("notes/list", ALICE)
        assert queries.doubts > before
