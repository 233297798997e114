"""The pool of connections, and the queue in front of it.

A pool of our own rather than asyncpg's: that one serves whoever comes last first, may wait for ever
when a connection is given back, and costs a task for each statement.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import asyncpg

from ..database_url import parse
from ..settings import DatabaseSettings
from .connect import Connector
from .errors import FAULTS

log = logging.getLogger("service")

RETIRE_IDLE_AFTER = 240.0
"""Seconds; a serverless database cuts idle connections after 300."""
SWEEP_EVERY = 30.0
"""Seconds between two looks for connections to retire."""
EXPIRE_EVERY = 1.0
"""Seconds between two times that connections are expired which have not ended."""
SETTLE_TIMEOUT = 1.0
"""Seconds for a server to let go of a statement that was given up."""
CLOSE_TIMEOUT = 5.0
"""Seconds for connections to finish what they do when the pool is closed."""


class QueueFull(TimeoutError):
    """So many wait for a connection already that one more would wait in vain."""


class Connection(asyncpg.Connection):
    """A connection of the pool."""

    __slots__ = ("generation", "idle_since")

    generation: int
    """How often the pool had been expired when this one was opened."""
    idle_since: float


class Pool:
    """Connections to the database, opened when they are needed: one that is away does not stop the
    start.

    Whoever waits for a connection is served in the order of coming. Connections are handed out
    latest first, so that those which are not needed grow old, and are retired. Nothing here waits
    without a limit.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._connect = Connector(parse(settings.database_url.get_secret_value()))
        self._command_timeout = settings.db_statement_timeout
        self._limit = self._free = settings.db_pool_max
        self._queue = settings.db_queue_max
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._idle: list[Connection] = []
        self._held: set[Connection] = set()
        self._settling: set[asyncio.Task[None]] = set()
        self._generation = 0
        self._expired_at = -EXPIRE_EVERY
        self._doubts = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def size(self) -> int:
        """How many connections are open."""
        return len(self._idle) + len(self._held)

    @property
    def idle(self) -> int:
        """How many of them nobody uses."""
        return len(self._idle)

    @property
    def in_use(self) -> int:
        """How many of them somebody uses, or has given up in the middle of a statement."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """How many wait for a connection."""
        return len(self._waiters)

    @property
    def doubts(self) -> int:
        """How often so far a connection was lost, or could not be made. Asking sends nothing."""
        lost = next((connection for connection in self._idle if connection.is_closed()), None)
        if lost is not None:
            self.expire(lost)
        return self._doubts

    async def acquire(self, timeout: float) -> Connection:
        """A connection within `timeout` seconds, to be given back with `release` or `abandon`.

        Raises what connecting raises, TimeoutError, or QueueFull, which is one.
        """
        if self._closed:
            raise asyncpg.InterfaceError("the pool is closed")
        if self._free:
            self._free -= 1
        else:
            if len(self._waiters) >= self._queue:
                raise QueueFull
            began = time.monotonic()
            async with asyncio.timeout(timeout):
                await self._turn()
            timeout -= time.monotonic() - began
        try:
            connection = self._usable() or await self._open(timeout)
        except BaseException:
            self._next()
            raise
        self._held.add(connection)
        return connection

    def release(self, connection: Connection) -> None:
        """Give back a connection that has nothing under way."""
        self._held.discard(connection)
        if self._closed or connection.generation != self._generation:
            connection.terminate()
        else:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        self._next()

    def abandon(self, connection: Connection) -> None:
        """Give back a connection in the middle of a statement or a transaction. It is used again
        once the server has let go of that.
        """
        task = asyncio.get_running_loop().create_task(self._settle(connection))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    def expire(self, connection: Connection) -> None:
        """Take none again of the connections that were there when this one was opened: it is of no
        use, they may be like it.

        A server that is there, and refuses, is not asked by new connections again and again.
        """
        self._doubts += 1
        now = time.monotonic()
        if connection.generation == self._generation and (
            connection.is_closed() or now >= self._expired_at + EXPIRE_EVERY
        ):
            self._generation += 1
            self._expired_at = now
            while self._idle:
                self._idle.pop().terminate()

    @asynccontextmanager
    async def connection(self, timeout: float) -> AsyncIterator[Connection]:
        """A connection for as long as the block lasts. Raises what `acquire` raises."""
        connection = await self.acquire(timeout)
        try:
            yield connection
        except BaseException:
            self.abandon(connection)
            raise
        self.release(connection)

    async def warm(self, size: int, timeout: float) -> None:
        """Open `size` connections before the first request has to. Raises what `acquire` raises."""
        async with AsyncExitStack() as held:
            for _ in range(size):
                await held.enter_async_context(self.connection(timeout))

    async def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """Wait until all connections are given back, and close them; after `timeout` seconds cut
        what is left.
        """
        if self._closed:
            return
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        try:
            async with asyncio.timeout(timeout):
                for _ in range(self._limit):
                    await self._turn()
                await asyncio.gather(
                    *(connection.close() for connection in self._idle), return_exceptions=True
                )
        except TimeoutError:
            log.warning("connections still busy after %g s were cut", timeout)
        finally:
            for connection in (*self._idle, *self._held):
                connection.terminate()
            self._idle.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _turn(self) -> None:
        """Take the right to a connection, in the order of coming."""
        if self._free:
            self._free -= 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():  # the turn came in the same moment
                self._next()
            elif waiter in self._waiters:  # nobody has passed it over yet
                self._waiters.remove(waiter)
            raise

    def _next(self) -> None:
        """Pass the right to a connection on to whoever has waited longest."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

    def _usable(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _open(self, timeout: float) -> Connection:
        generation = self._generation
        try:
            async with asyncio.timeout(timeout):
                connection = await self._connect(
                    command_timeout=self._command_timeout, connection_class=Connection
                )
        except FAULTS:
            self._doubts += 1
            raise
        assert isinstance(connection, Connection)
        connection.generation = generation
        if self._sweeper is None:
            self._sweep()
        return connection

    async def _settle(self, connection: Connection) -> None:
        """Roll back what is under way. Where the driver has asked the server to cancel a statement,
        its next command waits for that; without a transaction an empty one will do.
        """
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                if connection.is_in_transaction():
                    await connection.execute("ROLLBACK")
                else:
                    async with connection.transaction():
                        pass
        except FAULTS:
            self._doubts += 1
            connection.terminate()
        finally:
            self.release(connection)

    def _sweep(self) -> None:
        """Retire what has been idle for long."""
        limit = time.monotonic() - RETIRE_IDLE_AFTER
        for connection in [
            connection for connection in self._idle if connection.idle_since < limit
        ]:
            self._idle.remove(connection)
            connection.terminate()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_EVERY, self._sweep)
