"""The pool: the order of callers, no lost connection, and no wait without a timeout."""

import asyncio
import random
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from service.db import pool as pool_module
from service.db.gate import QueueFull
from service.db.pool import Pool
from service.settings import DatabaseSettings
from tests.conftest import administer
from tests.faults.wire import Wire


def pool_of(dsn: str, **settings: float) -> Pool:
    return Pool(DatabaseSettings.model_validate({"database_url": dsn, **settings}))


@pytest.fixture
async def wire(empty_database: str) -> AsyncIterator[Wire]:
    async with Wire(empty_database).laid() as wire:
        yield wire


async def whole(pool: Pool, limit: int) -> None:
    """Every connection that the pool may have can be had, at once."""
    async with asyncio.timeout(10):
        held = [await pool.acquire(5) for _ in range(limit)]
    assert (pool.size, pool.in_use, pool.waiting) == (limit, limit, 0)
    for connection in held:
        pool.release(connection)


async def test_connections_go_to_callers_in_order(empty_database: str) -> None:
    """The caller that has waited longest gets the next connection; later ones cannot
    overtake it.
    """
    served: list[int] = []

    async def serve(number: int) -> None:
        async with pool.connection(10):
            served.append(number)
            await asyncio.sleep(random.random() * 0.01)

    async with pool_of(empty_database, db_pool_max=2) as pool:
        await pool.warm(2, 5)
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(serve(number))
                if number % 10 == 9:
                    await asyncio.sleep(0.01)
        assert served == list(range(50))
        assert pool.size == 2


async def test_a_full_queue_turns_the_next_caller_away(empty_database: str) -> None:
    """A caller beyond the limit is turned away at once; those who wait are served."""
    async with pool_of(empty_database, db_pool_max=1, db_queue_max=2) as pool:
        held = await pool.acquire(5)
        waiters = [asyncio.create_task(pool.acquire(5)) for _ in range(2)]
        await asyncio.sleep(0)
        assert pool.waiting == 2
        with pytest.raises(QueueFull):
            await pool.acquire(5)
        pool.release(held)
        for waiter in waiters:
            pool.release(await waiter)


async def test_a_waiter_that_gives_up_costs_no_connection(empty_database: str) -> None:
    """Neither a wait that times out nor one that is cancelled, even as its turn comes, costs a
    connection.
    """
    async with pool_of(empty_database, db_pool_max=1) as pool:
        held = await pool.acquire(5)
        with pytest.raises(TimeoutError):
            await pool.acquire(0.01)
        for before in (True, False):
            first, second = (asyncio.create_task(pool.acquire(5)) for _ in range(2))
            await asyncio.sleep(0)
            if before:
                first.cancel()
            pool.release(held)  # the first one's turn
            if not before:
                first.cancel()
            held = await second
            with pytest.raises(asyncio.CancelledError):
                await first
        pool.release(held)
        await whole(pool, 1)


async def test_random_failures_and_cancellations_lose_no_connection(wire: Wire) -> None:
    """After 300 uses that end in every way, cut and cancelled at random, all connections can be
    acquired again.
    """
    dice = random.Random(5)

    async def use() -> None:
        try:
            async with (
                asyncio.timeout(dice.choice([0.002, 0.01, 5])),
                pool.connection(dice.choice([0.005, 5])) as connection,
            ):
                await connection.execute(f"SELECT pg_sleep({dice.choice([0, 0, 0.01])})")
        except (
            TimeoutError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
            OSError,
        ):
            pass

    async with pool_of(wire.dsn, db_pool_max=4) as pool:
        for number in range(30):
            uses = [asyncio.create_task(use()) for _ in range(10)]
            await asyncio.sleep(0.005)
            if number % 5 == 0:
                wire.cut()
            if number % 3 == 0:
                uses[0].cancel()
            await asyncio.gather(*uses, return_exceptions=True)
        await whole(pool, 4)


async def test_a_failed_connect_frees_its_turn(wire: Wire) -> None:
    """Whenever connecting fails, times out or is cancelled, the next caller may try, and waiters
    get their turn.
    """
    async with pool_of(wire.dsn, db_pool_max=1) as pool:
        wire.refuse = True
        for _ in range(3):
            with pytest.raises((OSError, asyncpg.PostgresError)):
                await pool.acquire(5)
        wire.refuse, wire.hole = False, True
        waiter = asyncio.create_task(pool.acquire(0.05))
        queued = asyncio.create_task(pool.acquire(5))
        with pytest.raises(TimeoutError):
            await waiter
        queued.cancel()
        await asyncio.gather(queued, return_exceptions=True)
        wire.hole = False
        await whole(pool, 1)


async def test_a_statement_given_up_is_cancelled_on_the_server(empty_database: str) -> None:
    """A cancel request is sent to the server, and the connection is used again."""
    async with pool_of(empty_database, db_pool_max=1) as pool:
        await pool.warm(1, 5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), pool.connection(5) as connection:
                await connection.execute("SELECT pg_sleep(60)")
        began = time.monotonic()
        async with pool.connection(5) as again:
            assert again is connection
            assert await again.fetchval("SELECT 1") == 1
        assert time.monotonic() - began < 5


async def test_a_network_that_swallows_all_frees_the_connection_in_time(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the network swallows everything, cancel requests included, a connection is given up in
    time and its turn comes free.
    """
    monkeypatch.setattr(pool_module, "SETTLE_TIMEOUT", 0.1)
    async with pool_of(wire.dsn, db_pool_max=1) as pool:
        await pool.warm(1, 5)
        wire.hole = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), pool.connection(5) as connection:
                await connection.execute("SELECT 1")
        assert (pool.in_use, pool.idle) == (1, 0)
        wire.hole = False
        async with pool.connection(5) as other:
            assert other is not connection
        assert connection.is_closed()
        assert pool.size == 1


async def test_one_lost_connection_replaces_those_as_old(empty_database: str) -> None:
    """Once a connection is lost, all that were open when it was opened are replaced: idle ones at
    once, those in use on release. Newer ones stay.
    """
    async with pool_of(empty_database, db_pool_max=4) as pool:
        lost, busy, idle = [await pool.acquire(5) for _ in range(3)]
        pool.release(idle)
        lost.terminate()
        await pool.expire(lost)
        fresh = await pool.acquire(5)
        assert idle.is_closed()
        await pool.expire(busy)  # it is of the same time as the first one
        pool.release(lost)
        pool.release(busy)
        pool.release(fresh)
        assert (lost.is_closed(), busy.is_closed(), fresh.is_closed()) == (True, True, False)
        assert (pool.size, pool.idle) == (1, 1)


async def test_idle_connections_are_retired(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle connections are closed after their time, even without new callers."""
    monkeypatch.setattr(pool_module, "RETIRE_IDLE_AFTER", 0.1)
    monkeypatch.setattr(pool_module, "SWEEP_EVERY", 0.02)
    async with pool_of(empty_database) as pool:
        await pool.warm(2, 5)
        async with asyncio.timeout(10):
            while pool.size:
                await asyncio.sleep(0.01)


async def test_closing_lets_running_and_waiting_callers_finish(empty_database: str) -> None:
    """Closing lets running and waiting callers finish, accepts no new ones, and leaves no
    session.
    """
    async with pool_of(empty_database, db_pool_max=1) as pool:

        async def use() -> int:
            async with pool.connection(5) as connection:
                number: int = await connection.fetchval("SELECT 1 FROM pg_sleep(0.1)")
                return number

        uses = [asyncio.create_task(use()) for _ in range(2)]
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(pool.close())
        await asyncio.sleep(0)
        with pytest.raises(asyncpg.InterfaceError, match="the pool is closed"):
            await pool.acquire(5)
        await closing
        assert await asyncio.gather(*uses) == [1, 1]
        assert pool.size == 0
        await pool.close()  # once more does no harm


async def test_closing_cuts_what_is_still_busy_at_its_limit(
    empty_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Connections still busy at the limit are cut."""
    async with pool_of(empty_database) as pool:
        connection = await pool.acquire(5)
        await pool.close(0.05)
        assert connection.is_closed()
        assert "connections still busy after 0.05 s were cut" in caplog.text
        pool.release(connection)


async def test_sessions_have_the_services_application_name(empty_database: str) -> None:
    """A DBA sees that the sessions are the service's."""
    async with pool_of(empty_database) as pool, pool.connection(5) as connection:
        assert await connection.fetchval("SHOW application_name") == "task-service"


async def test_a_dead_idle_connection_is_not_handed_out(empty_database: str) -> None:
    """An idle connection that was found to have ended is replaced by a new one."""
    async with pool_of(empty_database) as pool:
        await pool.warm(2, 5)
        administer(
            empty_database,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'task-service'",
        )
        await asyncio.sleep(0.05)
        async with pool.connection(5) as connection:
            assert await connection.fetchval("SELECT 1") == 1
