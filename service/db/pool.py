"""The pool of connections: asyncpg's, behind a gate.

asyncpg's pool serves its waiters last in, first out, without a timeout. The gate admits as many
callers as there may be connections, so that none waits in asyncpg's pool, and serves owners in
turn, so that one with many requests delays only itself. A released connection stays at the gate for
the next caller. After a second it goes back to asyncpg's pool, which retires, replaces and closes
connections.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import asyncpg

from ..database_url import parse
from ..owner import NOBODY, Nobody, OwnerId
from ..settings import DatabaseSettings
from .connect import Connector
from .connection import Connection
from .errors import FAULTS
from .gate import Gate
from .statements import shipped

log = logging.getLogger("service")

Result = TypeVar("Result")

RETIRE_IDLE_AFTER = 240.0
"""Seconds; serverless databases cut idle connections after 300."""
SWEEP_EVERY = 1.0
"""Seconds that an unused connection stays at the gate."""
ASK_AFTER = 2.0
"""Idle seconds after which a connection is tested before use: networks drop idle connections."""
ASK_TIMEOUT = 1.0
"""Seconds for that test."""
EXPIRE_EVERY = 1.0
"""Least number of seconds between two expirations of open connections."""
SETTLE_TIMEOUT = 1.0
"""Seconds for the server to end an abandoned statement or transaction."""
CLOSE_TIMEOUT = 5.0
"""Seconds for busy connections to finish when the pool closes."""
MAX_QUERIES = 2**31
"""No limit of queries for a connection."""

_until: ContextVar[float] = ContextVar("until")
"""The deadline of the current `acquire`, on the loop's clock."""


class Pool:
    """A pool of connections, opened on demand: the service starts without a database.

    The connection used last is handed out first, so that surplus ones become idle and retire. Every
    wait has a timeout.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._connect = Connector(parse(settings.database_url.get_secret_value()))
        self._gate: Gate[Connection] = Gate(settings.db_pool_max, settings.db_queue_max)
        self._pool: asyncpg.Pool
        self._options: Mapping[str, Any] = {
            "min_size": 0,
            "max_size": settings.db_pool_max,
            "max_queries": MAX_QUERIES,
            "max_inactive_connection_lifetime": RETIRE_IDLE_AFTER,
            "command_timeout": settings.db_statement_timeout,
            "connection_class": Connection,
            "connect": self._open,
            "reset": _come_back,
        }
        self._ping = shipped()["schema/ping"].text
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._generation = 0
        self._expired_at = -EXPIRE_EVERY
        self._closed = False
        self.doubts = 0
        """How often a connection was lost or could not be opened."""

    @property
    def size(self) -> int:
        """Return how many connections are open."""
        return self._pool.get_size()

    @property
    def idle(self) -> int:
        """Return how many open connections are unused."""
        at_the_gate = sum(not connection.is_closed() for connection in self._gate.left)
        return self._pool.get_idle_size() + at_the_gate

    @property
    def in_use(self) -> int:
        """Return how many open connections are in use, or abandoned within a statement."""
        return self.size - self.idle

    @property
    def waiting(self) -> int:
        """Return how many callers wait for a connection."""
        return self._gate.waiting

    def take(self) -> Connection | None:
        """Return a connection if one is free at once, else None. Give it back as with `acquire`."""
        if self._closed or (connection := self._gate.take()) is None:
            return None
        if self._is_good(connection):
            return connection
        connection.terminate()
        self._gate.leave()
        return None

    async def acquire(self, timeout: float, owner: OwnerId | Nobody = NOBODY) -> Connection:
        """Return a connection within `timeout` seconds. Give it back with `release` or `abandon`.

        Owners that wait are served in turn, NOBODY among them. Raises what asyncpg.connect raises,
        TimeoutError or its subclass QueueFull.
        """
        if self._closed:
            raise asyncpg.InterfaceError("the pool is closed")
        until = asyncio.get_running_loop().time() + timeout
        connection = await self._gate.enter(owner, timeout)
        if connection is not None:
            if self._is_good(connection):
                return connection
            connection.terminate()
        try:
            return await self._take(until)
        except BaseException:
            self._gate.leave()
            raise

    def release(self, connection: Connection) -> None:
        """Give back an idle connection."""
        if connection.generation != self._generation:
            connection.terminate()
            self._gate.leave()
            return
        self._gate.leave(connection)  # `take` sees whether it was lost
        if self._sweeper is None:
            self._sweeper = connection.loop.call_later(SWEEP_EVERY, self._sweep)

    def abandon(self, connection: Connection) -> asyncio.Task[bool]:
        """Give back a connection within a statement or a transaction, for use once the server has
        ended that. Return a task with whether it did.
        """
        return self._soon(self._settle(connection))

    async def expire(self, connection: Connection) -> None:
        """Replace all connections as old as this broken one: they may be broken too.

        A server that refuses each statement must not cause new connections without end.
        """
        self.doubts += 1
        now = connection.loop.time()
        if connection.generation == self._generation and (
            connection.is_closed() or now >= self._expired_at + EXPIRE_EVERY
        ):
            self._generation += 1
            self._expired_at = now
            await self._pool.expire_connections()

    @contextlib.asynccontextmanager
    async def connection(self, timeout: float) -> AsyncIterator[Connection]:
        """Lend a connection to the `async with` block. Raises what `acquire` raises."""
        connection = await self.acquire(timeout)
        try:
            yield connection
        except BaseException:
            self.abandon(connection)
            raise
        self.release(connection)

    async def warm(self, size: int, timeout: float) -> None:
        """Open `size` connections ahead of the first request. Raises what `acquire` raises."""
        async with contextlib.AsyncExitStack() as held:
            for _ in range(size):
                await held.enter_async_context(self.connection(timeout))

    async def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Wait until all connections are given back, and close them; cut the rest after `timeout`
        seconds.
        """
        if self._closed:
            return
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        try:
            async with asyncio.timeout(timeout):
                await self._gate.drained()
                for connection in self._gate.clear():
                    await self._back(connection)
                await self._pool.close()
        except TimeoutError:
            log.warning("connections still busy after %g s were cut", timeout)
        finally:
            self._pool.terminate()

    async def __aenter__(self) -> Self:
        self._pool = await asyncpg.create_pool(**self._options)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _is_good(self, connection: Connection) -> bool:
        return connection.generation == self._generation and not connection.is_closed()

    async def _take(self, until: float) -> Connection:
        """Take one from asyncpg's pool, which has one for each turn at the gate."""
        _until.set(until)
        while True:
            proxy: Any = await self._pool.acquire()
            connection: Connection = proxy.itself
            connection.proxy = proxy
            now = connection.loop.time()
            silent = now - (connection.idle_since or now)
            connection.idle_since = None
            left = until - now
            if silent < ASK_AFTER or left <= 0:
                return connection
            if await connection.answers(self._ping, min(ASK_TIMEOUT, left)):
                return connection
            await self.expire(connection)

    async def _open(self, *arguments: Any, **options: Any) -> Connection:
        generation = self._generation
        try:
            async with asyncio.timeout_at(_until.get()):
                connection = await self._connect(*arguments, **options)
        except FAULTS:
            self.doubts += 1
            raise
        connection.generation = generation
        connection.add_termination_listener(partial(self._ended, connection))
        return connection

    async def _ended(self, connection: Connection, _: Any) -> None:
        """Note that a connection was lost, whether in use or not."""
        if not connection.retired:
            await self.expire(connection)

    async def _settle(self, connection: Connection) -> bool:
        try:
            await connection.settle(self._ping, SETTLE_TIMEOUT)
            return not connection.is_closed()
        finally:
            await self._back(connection)
            self._gate.leave()

    async def _back(self, connection: Connection) -> None:
        with contextlib.suppress(*FAULTS):  # a failure ends it, which calls `_ended`
            await self._pool.release(connection.proxy, timeout=SETTLE_TIMEOUT)

    def _sweep(self) -> None:
        """Give the gate's unused connections back to asyncpg's pool."""
        self._sweeper = None
        for connection in self._gate.clear():
            self._soon(self._back(connection))

    def _soon(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _come_back(connection: asyncpg.Connection) -> None:
    """Note when a connection came back. No statement changes the session: nothing to reset."""
    assert isinstance(connection, Connection)
    connection.idle_since = connection.loop.time()
