"""Requests that wait for each other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import asyncpg
import httpx

Call = Coroutine[Any, Any, httpx.Response]


async def until_waiting(connection: asyncpg.Connection, number: int) -> None:
    """Wait until so many backends wait for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
        " wait_event_type = 'Lock'"
    )
    for _ in range(2000):
        if await connection.fetchval(waiting) >= number:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never waited")


@contextlib.asynccontextmanager
async def queued(
    database: str, connection: asyncpg.Connection, calls: list[Call]
) -> AsyncIterator[list[httpx.Response]]:
    """Start the calls one after the other while another session locks the owner's row, so that each
    has its snapshot and waits.

    The responses are there when the block is left. The first call goes on first, then the second;
    further ones in any order.
    """
    responses: list[httpx.Response] = []
    blocker = await asyncpg.connect(database)
    try:
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("SELECT FROM owners FOR UPDATE")
        tasks: list[asyncio.Task[httpx.Response]] = []
        for number, call in enumerate(calls, start=1):
            tasks.append(asyncio.create_task(call))
            await until_waiting(connection, number)
        await transaction.rollback()
        responses += await asyncio.gather(*tasks)
    finally:
        await blocker.close()
    yield responses
