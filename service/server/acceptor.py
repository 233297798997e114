"""New connections: accepted as soon as they come, and begun in a fair order.

uvloop accepts one connection a turn of the loop. While somebody opens one for each request, others'
wait in the kernel's queue for as many turns as there are connections before them. Here those wait
in the process, and of each network one is begun a turn: a crowd waits behind itself.
"""

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Protocol

import uvloop

from ..web.addresses import network
from .descriptors import MAX_WAITING, warn_of_none_left

NETWORKS = 16
"""Networks of which connections are begun in a turn, at most."""
PACE = 0.002
"""Seconds in which one connection of each network is begun, however long a turn takes."""
ROUNDS = 16
"""Connections of one network that are begun in a turn, at most."""
ACCEPTED = 64
"""Connections accepted a turn, at most. The first turn accepts one, and each that leaves some
behind lets the next one accept twice as many: so workers that share a listener share what comes at
once, too.
"""
PAUSE = 0.1
"""Seconds without another try when no descriptor is left."""

_NONE_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Begun(Protocol):
    """What a connection's protocol has here, beside what asyncio wants of it."""

    def shutdown(self) -> None:
        """End when what is at work is answered."""


class Acceptor:
    """Accepts connections from listening sockets, and begins them.

    It has what uvicorn asks of an asyncio Server.
    """

    most_waiting = MAX_WAITING
    """Connections accepted that have not begun."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        factory: Callable[[], Any],
        sockets: list[socket.socket],
    ) -> None:
        self._loop = loop
        self._factory = factory
        self._batch = dict.fromkeys(sockets, 1)
        self._waiting: dict[str, deque[socket.socket]] = {}
        self._number = 0
        self._turned = 0.0
        self._next: asyncio.Handle | None = None
        self._beginning: set[asyncio.Task[None]] = set()
        self._closed = False
        self.sockets = sockets
        for listener in sockets:
            listener.settimeout(0)
        self._listen()

    def close(self) -> None:
        """Accept no more, and close those that have not begun."""
        if self._closed:
            return
        self._closed = True
        self._pause()
        for listener in self.sockets:
            listener.close()
        if self._next is not None:
            self._next.cancel()
        for connections in self._waiting.values():
            for connection in connections:
                connection.close()
        self._waiting.clear()

    async def wait_closed(self) -> None:
        """Return when all that were being begun have begun."""
        await asyncio.gather(*self._beginning)

    def _listen(self) -> None:
        if not self._closed:
            for listener in self.sockets:
                self._loop.add_reader(listener, self._accept, listener)

    def _pause(self) -> None:
        for listener in self.sockets:
            self._loop.remove_reader(listener)

    def _accept(self, listener: socket.socket) -> None:
        """Accept some of what has come, and see to it that they begin."""
        for _ in range(min(self._batch[listener], self.most_waiting - self._number)):
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
                continue  # that client has gone
            self._waiting.setdefault(network(address[0]), deque()).append(connection)
            self._number += 1
        else:
            self._batch[listener] = min(2 * self._batch[listener], ACCEPTED)
        if self._next is None:
            self._turned = self._loop.time()
            self._begin_some()

    def _begin_some(self) -> None:
        """Begin one connection of each network, or a few after a long turn, and go on next turn."""
        now = self._loop.time()
        turn, self._turned = now - self._turned, now
        for _ in range(max(1, min(int(turn / PACE), ROUNDS))):
            for name in [*islice(self._waiting, NETWORKS)]:
                connections = self._waiting.pop(name)
                task = self._loop.create_task(self._begin(connections.popleft()))
                self._beginning.add(task)
                task.add_done_callback(self._beginning.discard)
                self._number -= 1
                if connections:
                    self._waiting[name] = connections  # behind all other networks
        self._next = self._loop.call_soon(self._begin_some) if self._waiting else None

    async def _begin(self, connection: socket.socket) -> None:
        try:
            _, protocol = await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:  # that client has gone
            connection.close()
            return
        if self._closed:
            begun: Begun = protocol
            begun.shutdown()


class Loop(uvloop.Loop):
    """uvloop's, with servers whose connections an Acceptor accepts."""

    async def create_server(  # type: ignore[override]
        self, factory: Callable[[], Any], *arguments: Any, backlog: int = 100, **options: Any
    ) -> Acceptor:
        """Listen as uvloop would, and accept as we do."""
        bound = await super().create_server(factory, *arguments, **options, start_serving=False)
        sockets = [socket.socket(fileno=os.dup(each.fileno())) for each in bound.sockets]  # type: ignore[attr-defined]
        bound.close()
        for each in sockets:
            each.listen(backlog)
        return Acceptor(self, factory, sockets)
