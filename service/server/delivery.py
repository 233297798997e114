"""The way of responses to a client: written in one go, and buffered until the client reads them."""

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable

from .cycle import Body

VANISHED_TIMEOUT = 30.0
"""Seconds for which sent bytes of a stream may stay unacknowledged by TCP."""
VANISHED: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
"""The socket option for that, which Linux has."""


class Delivery(asyncio.Protocol, ABC):
    """Writes responses to a client, and knows what the client has not read yet."""

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.unread = self.disconnected = False
        self.left = self._answer_kept = 0
        self.since = self.moved = loop.time()
        self._taken: list[Callable[[], object]] = []
        self._stopping: Callable[[], object] | None = None

    def write(self, pieces: list[Body], kept: int) -> None:
        """Pass the pieces to the transport. `kept`: how many bytes exist for this client alone."""
        self._answer_kept = kept
        if len(pieces) == 1:
            self.transport.write(pieces[0])
        else:
            self.transport.writelines(pieces)

    def pause_writing(self) -> None:
        """Note that the client reads more slowly than we write."""
        self.unread = True
        self.since, self.left = self.loop.time(), self.transport.get_write_buffer_size()
        self._count()

    def resume_writing(self) -> None:
        """Note that the client has received all that was written."""
        self.unread, self._answer_kept, self.left = False, 0, 0
        self._tell_taken()
        self._received()
        self._count()

    @abstractmethod
    def _count(self) -> None:
        """Report how many bytes are buffered for the client."""

    @abstractmethod
    def _received(self) -> None:
        """Continue: the client has received all that was written."""

    def when_taken(self, callback: Callable[[], object]) -> None:
        """Call back when the client has received its response or disconnected. Only while
        `unread`.
        """
        self._taken.append(callback)

    async def writable(self) -> None:
        """Wait until the client has received all that was written, or has disconnected."""
        if self.unread and not self.disconnected:
            taken = asyncio.Event()
            self.when_taken(taken.set)
            await taken.wait()

    def _tell_taken(self) -> None:
        callbacks, self._taken = self._taken, []
        for callback in callbacks:
            callback()

    def go_on(self, stopping: Callable[[], object]) -> None:
        """Keep the connection of a stream open: call `stopping` when the server is about to stop,
        and detect a client that has vanished.
        """
        self._stopping = stopping
        # RFC 5482; by default the kernel retransmits for a quarter of an hour.
        found = self.transport.get_extra_info("socket")
        if found.family in (socket.AF_INET, socket.AF_INET6) and VANISHED is not None:
            found.setsockopt(socket.IPPROTO_TCP, VANISHED, int(VANISHED_TIMEOUT * 1000))

    def reading(self) -> bool:
        """Return whether the client is reading a response."""
        return self.unread

    def look(self, now: float) -> None:
        """Update `since` and `moved` if the client has read some of its response."""
        if self.unread and (left := self.transport.get_write_buffer_size()) < self.left:
            self.since, self.moved, self.left = now, now, left
