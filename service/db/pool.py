"""The pool of connections."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import asyncpg

from ..dsn import parse
from ..settings import DatabaseSettings
from .connect import Connector

RETIRE_IDLE_AFTER = 240.0
"""Seconds; a serverless database cuts idle connections after 300."""

Connection = asyncpg.pool.PoolConnectionProxy


async def _no_reset(connection: object) -> None:
    """Statements are single and leave no session state: the usual reset would be a round trip for nothing."""


class Pool:
    """Connections to the database, opened when they are needed: one that is away does not stop the start."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._pool = asyncpg.create_pool(
            connect=Connector(parse(settings.database_url.get_secret_value())),
            min_size=0,
            max_size=settings.db_pool_max,
            max_inactive_connection_lifetime=RETIRE_IDLE_AFTER,
            command_timeout=settings.db_statement_timeout,
            reset=_no_reset,
        )
        self._waiting = 0

    @property
    def size(self) -> int:
        """How many connections are open."""
        return self._pool.get_size()

    @property
    def idle(self) -> int:
        """How many of them nobody uses."""
        return self._pool.get_idle_size()

    @property
    def in_use(self) -> int:
        """How many of them somebody uses."""
        return self.size - self.idle

    @property
    def waiting(self) -> int:
        """How many wait for a connection, or for one to be opened."""
        return self._waiting

    async def acquire(self, timeout: float) -> Connection:
        """A connection, to be given back with `release`. Raises what connecting raises, or TimeoutError."""
        self._waiting += 1
        try:
            return await self._pool.acquire(timeout=timeout)
        finally:
            self._waiting -= 1

    async def release(self, connection: Connection) -> None:
        """Give a connection back."""
        await self._pool.release(connection)

    @asynccontextmanager
    async def connection(self, timeout: float) -> AsyncIterator[Connection]:
        """A connection for as long as the block lasts."""
        connection = await self.acquire(timeout)
        try:
            yield connection
        finally:
            await self.release(connection)

    async def warm(self, size: int, timeout: float) -> None:
        """Open `size` connections before the first request has to. Raises what `acquire` raises."""
        async with AsyncExitStack() as held:
            for _ in range(size):
                await held.enter_async_context(self.connection(timeout))

    async def close(self) -> None:
        """Wait until all connections are given back, and close them."""
        await self._pool.close()

    def terminate(self) -> None:
        """Cut all connections."""
        self._pool.terminate()

    async def __aenter__(self) -> Self:
        await self._pool
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
