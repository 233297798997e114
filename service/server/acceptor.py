"""Accept connections at once, and start them in a fair order.

uvloop accepts one connection in each iteration of the loop. If a client opens one for each request,
all others wait behind them in the kernel's queue. Here they wait in the process, and each iteration
starts one connection of each network: a crowd delays only itself.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Protocol

import uvloop

from ..fair_queue import FairQueue
from ..web.addresses import network
from .descriptors import MAX_WAITING, warn_of_none_left

NETWORKS = 16
"""Most networks whose connections start in one iteration."""
PACE = 0.002
"""Seconds in which one connection of each network starts, however long an iteration takes."""
ROUNDS = 16
"""Most connections of one network that start in one iteration."""
ACCEPTED = 64
"""Most connections accepted in one iteration. The first accepts one, and while some remain each
accepts twice as many: so workers with one listener share a burst.
"""
UNSENT = 64 * 1024
"""Bytes of an answer that the kernel takes beyond what it has sent: of its own accord it takes
megabytes for a client that does not read, and a container pays for them.
"""
PAUSE = 0.1
"""Seconds before the next try when no file descriptor is left."""

_NONE_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Begun(Protocol):
    """The methods of a connection's protocol beyond asyncio's."""

    def shutdown(self) -> None:
        """Close once the current request is answered."""


class Acceptor:
    """Accepts connections from listening sockets, and starts them.

    It has the methods of asyncio's Server that uvicorn calls.
    """

    most_waiting = MAX_WAITING
    """Accepted connections that have not started."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        factory: Callable[[], Any],
        sockets: list[socket.socket],
    ) -> None:
        self._loop = loop
        self._factory = factory
        self._batch = dict.fromkeys(sockets, 1)
        self._waiting: FairQueue[str, socket.socket] = FairQueue()
        self._turned = 0.0
        self._next: asyncio.Handle | None = None
        self._beginning: set[asyncio.Task[None]] = set()
        self._closed = False
        self.sockets = sockets
        for listener in sockets:
            listener.settimeout(0)
            if (option := getattr(socket, "TCP_NOTSENT_LOWAT", None)) is not None:
                listener.setsockopt(socket.IPPROTO_TCP, option, UNSENT)  # its connections have it
        self._listen()

    def close(self) -> None:
        """Accept no more, and close those that have not started."""
        if self._closed:
            return
        self._closed = True
        self._pause()
        for listener in self.sockets:
            listener.close()
        if self._next is not None:
            self._next.cancel()
        while self._waiting.size:
            _, connection = self._waiting.popleft()
            connection.close()

    async def wait_closed(self) -> None:
        """Return when all that were starting have started."""
        await asyncio.gather(*self._beginning)

    def _listen(self) -> None:
        if not self._closed:
            for listener in self.sockets:
                self._loop.add_reader(listener, self._accept, listener)

    def _pause(self) -> None:
        for listener in self.sockets:
            self._loop.remove_reader(listener)

    def _accept(self, listener: socket.socket) -> None:
        """Accept some of the new connections, and schedule their start."""
        for _ in range(min(self._batch[listener], self.most_waiting - self._waiting.size)):
            try:
                connection, address = listener.accept()
            except BlockingIOError:
                self._batch[listener] = 1
                break
            except OSError as error:
                if error.errno in _NONE_LEFT:
                    warn_of_none_left()
                    self._pause()
                    self._loop.call_later(PAUSE, self._listen)
                    break
                continue  # the client has disconnected
            self._waiting.append(network(address[0]), connection)
        else:
            self._batch[listener] = min(2 * self._batch[listener], ACCEPTED)
        if self._next is None:
            self._turned = self._loop.time()
            self._begin_some()

    def _begin_some(self) -> None:
        """Start one connection of each network, or a few after a slow iteration."""
        now = self._loop.time()
        turn, self._turned = now - self._turned, now
        for _ in range(max(1, min(int(turn / PACE), ROUNDS))):
            for _, connection in self._waiting.round(NETWORKS):
                task = self._loop.create_task(self._begin(connection))
                self._beginning.add(task)
                task.add_done_callback(self._beginning.discard)
        self._next = self._loop.call_soon(self._begin_some) if self._waiting.size else None

    async def _begin(self, connection: socket.socket) -> None:
        try:
            _, protocol = await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:  # the client has disconnected
            connection.close()
            return
        if self._closed:
            begun: Begun = protocol
            begun.shutdown()


class Loop(uvloop.Loop):
    """uvloop's loop, with an Acceptor for its servers."""

    async def create_server(  # type: ignore[override]
        self, factory: Callable[[], Any], *arguments: Any, backlog: int = 100, **options: Any
    ) -> Acceptor:
        """Listen as uvloop does, and accept by an Acceptor."""
        bound = await super().create_server(factory, *arguments, **options, start_serving=False)
        sockets = [
            socket.socket(fileno=os.dup(each.fileno()))
            for each in bound.sockets  # type: ignore[attr-defined]
        ]
        bound.close()
        for each in sockets:
            each.listen(backlog)
        return Acceptor(self, factory, sockets)
