"""A connection of the pool."""

import asyncio
import contextlib
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from .errors import FAULTS

END_TIMEOUT = 1.0
"""Seconds for a server to take leave."""


class Connection(asyncpg.Connection):
    """A connection that knows its generation, since when it is idle, and whether it was lost."""

    __slots__ = ("generation", "idle_since", "loop", "proxy", "retired", "socket")

    proxy: PoolConnectionProxy
    """What asyncpg's pool handed out, and wants back."""

    def __init__(
        self, protocol: Any, transport: Any, loop: asyncio.AbstractEventLoop, *rest: Any
    ) -> None:
        super().__init__(protocol, transport, loop, *rest)
        self.loop = loop
        self.socket = transport.get_extra_info("socket")
        self.generation = 0
        """How often the pool had been expired when this one was opened."""
        self.idle_since: float | None = None
        """When it went back to asyncpg's pool, on the loop's clock; None while it is out."""
        self.retired = False
        """Whether it was ended from here, as one that is not needed; otherwise it was lost."""

    @property
    def itself(self) -> "Connection":
        """Return the connection, also for its proxy, which has all properties of it."""
        return self

    async def answers(self, statement: str, timeout: float) -> bool:
        """Tell whether it answers that statement within `timeout` seconds. Otherwise cut it."""
        try:
            await self.execute(statement, timeout=timeout)
        except BaseException as error:
            self.terminate()
            if not isinstance(error, FAULTS):
                raise
            return False
        return True

    async def settle(self, statement: str, timeout: float) -> None:
        """Roll back what is under way.

        Where the driver has asked the server to cancel, the next command waits for that. A BEGIN
        that was given up may have been carried out: so `statement` comes first.
        """
        with contextlib.suppress(*FAULTS):
            if not self.is_in_transaction():
                await self.execute(statement, timeout=timeout)
            if self.is_in_transaction():
                await self.execute("ROLLBACK", timeout=timeout)

    def terminate(self) -> None:
        """Cut it. asyncpg's pool does that to one that has been idle for long."""
        self.retired |= self.idle_since is not None
        super().terminate()

    async def close(self, *, timeout: float | None = None) -> None:
        """End the session, and cut it where the server does not answer."""
        self.retired = True
        with contextlib.suppress(*FAULTS):
            await super().close(timeout=END_TIMEOUT if timeout is None else timeout)
