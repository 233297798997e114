"""A connection of the pool."""

import asyncio
import contextlib
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from .errors import FAULTS

END_TIMEOUT = 1.0
"""Seconds for the server to close a connection."""


class Connection(asyncpg.Connection):
    """A connection with its generation, the time it became idle, and whether it was lost."""

    __slots__ = ("generation", "idle_since", "loop", "proxy", "retired", "socket")

    proxy: PoolConnectionProxy
    """The proxy that asyncpg's pool handed out and takes back."""

    def __init__(
        self, protocol: Any, transport: Any, loop: asyncio.AbstractEventLoop, *rest: Any
    ) -> None:
        super().__init__(protocol, transport, loop, *rest)
        self.loop = loop
        self.socket = transport.get_extra_info("socket")
        self.generation = 0
        """The pool's generation when this was opened: how often it had been expired."""
        self.idle_since: float | None = None
        """When it went back to asyncpg's pool, on the loop's clock; None while in use."""
        self.retired = False
        """Whether this side closed it as not needed; a closed connection without it was lost."""

    @property
    def itself(self) -> "Connection":
        """Return the connection itself, also through its proxy."""
        return self

    async def answers(self, statement: str, timeout: float) -> bool:
        """Return whether it answers `statement` within `timeout` seconds; if not, cut it."""
        try:
            await self.execute(statement, timeout=timeout)
        except BaseException as error:
            self.terminate()
            if not isinstance(error, FAULTS):
                raise
            return False
        return True

    async def settle(self, statement: str, timeout: float) -> None:
        """Roll back what is under way, within `timeout` seconds.

        If the driver has sent a cancel request, the next command waits for it. `statement` comes
        first, because an abandoned BEGIN may still take effect.
        """
        with contextlib.suppress(*FAULTS):
            if not self.is_in_transaction():
                await self.execute(statement, timeout=timeout)
            if self.is_in_transaction():
                await self.execute("ROLLBACK", timeout=timeout)

    def terminate(self) -> None:
        """Cut it. asyncpg's pool calls this for one that was idle for long."""
        self.retired |= self.idle_since is not None
        super().terminate()

    async def close(self, *, timeout: float | None = None) -> None:
        """Close the session; cut it if the server does not answer within `timeout` seconds."""
        self.retired = True
        with contextlib.suppress(*FAULTS):
            await super().close(timeout=END_TIMEOUT if timeout is None else timeout)
