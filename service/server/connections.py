"""All connections of a process: how many there may be, what they may keep in its memory, and who
makes room.

Each of them is asked now and then how it is getting on: one sweep over all of them costs less than
a timer for each request.
"""

from asyncio import AbstractEventLoop, TimerHandle
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Protocol
from weakref import WeakKeyDictionary

from uvicorn.server import ServerState

from .turns import Turns

SWEEP = 1.0
"""Seconds between two sweeps."""
MAX_KEPT = 6 * 2**20
"""Bytes that all clients together may make this process keep: what they have not read of their
answers, and what they have sent of requests that are not whole yet.
"""
STALLED = 1.0
"""Seconds without progress after which a client is the first to lose what is kept for it."""
SHARE = 4
"""Connections of one network beyond a quarter of all are too many, once there is no room."""


class Connection(Protocol):
    """What is asked of a connection here."""

    kept: int
    """Bytes in memory because its client has not sent all, or not read all."""
    left: int
    """Bytes of an answer that the client has still to take."""
    since: float
    """When the client last did what it was waited for, on the loop's clock."""

    @property
    def network(self) -> str:
        """Whose connection it is."""

    def look(self, now: float) -> None:
        """Note in `since` whether the client has read some of its answer."""

    def idle(self) -> bool:
        """Whether it is the client's turn, and it does nothing."""

    def reading(self) -> bool:
        """Whether its client is on the way through an answer."""

    def check(self, now: float) -> None:
        """End what takes too long."""

    def abort(self) -> None:
        """End it now."""


class Connections:
    """The connections of one server.

    Where there are too many, the network with the most of them loses one: the one whose client has
    done nothing for longest. Where they keep too much, it is the network that keeps the most, and
    one that has stalled; if all go on, the one with the longest way to go. So neither silent
    clients nor those who do not read shut anybody else out, and requests at work are never cut.
    """

    def __init__(self, loop: AbstractEventLoop, *, period: float = SWEEP) -> None:
        self._loop = loop
        self._period = period
        self._timer: TimerHandle | None = None
        self._open: dict[Connection, None] = {}
        self.turns = Turns(loop)
        self.kept = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection, limit: int) -> None:
        """A new connection. When there are more than `limit`, another one goes, or else this."""
        self._open[connection] = None
        if len(self._open) > limit:
            self._make_room(connection)
        if self._timer is None:
            self._timer = self._loop.call_later(self._period, self._sweep)

    def remove(self, connection: Connection) -> None:
        """A connection has ended."""
        self.keep(connection, 0, MAX_KEPT)
        self._open.pop(connection, None)

    def keep(self, connection: Connection, size: int, limit: int) -> None:
        """That connection makes us keep so many bytes now. When it is too much for all together,
        others go, or it itself.
        """
        self.kept += size - connection.kept
        connection.kept = size
        while self.kept > limit:
            now = self._loop.time()
            holders = [other for other in self._open if other.kept]
            for other in holders:
                other.look(now)
            stalled = [other for other in holders if now - other.since > STALLED]
            if stalled:
                self._drop(_longest(stalled, weight=lambda other: other.kept))
            else:
                crowd = _crowd(holders, weight=lambda other: other.kept)
                self._drop(max(crowd, key=lambda other: other.left))

    def _make_room(self, newcomer: Connection) -> None:
        """End one connection: the newcomer, when all others are at work.

        Silent ones go first; then, of a network that has more than its share of them, a slow
        reader.
        """
        others = [other for other in self._open if other is not newcomer]
        crowd = _crowd([other for other in others if other.reading()])
        if idle := [other for other in others if other.idle()]:
            self._drop(_longest(idle))
        elif len(crowd) * SHARE > len(self._open):
            self._drop(_longest(crowd))
        else:
            self._drop(newcomer)

    def _drop(self, connection: Connection) -> None:
        self.remove(connection)
        connection.abort()

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in [*self._open]:
            connection.check(now)
        self._timer = self._loop.call_later(self._period, self._sweep) if self._open else None


def _crowd(
    connections: Iterable[Connection], weight: Callable[[Connection], int] = lambda _: 1
) -> list[Connection]:
    """Those of the network that weighs most."""
    by_network: defaultdict[str, list[Connection]] = defaultdict(list)
    for connection in connections:
        by_network[connection.network].append(connection)
    return max(by_network.values(), key=lambda crowd: sum(map(weight, crowd)), default=[])


def _longest(
    connections: Iterable[Connection], weight: Callable[[Connection], int] = lambda _: 1
) -> Connection:
    """Of the network that weighs most, the one that has done nothing for longest."""
    return min(_crowd(connections, weight), key=lambda connection: connection.since)


_OF: WeakKeyDictionary[ServerState, Connections] = WeakKeyDictionary()


def connections_of(server: ServerState, loop: AbstractEventLoop, period: float) -> Connections:
    """The connections of a server of uvicorn's."""
    if server not in _OF:
        _OF[server] = Connections(loop, period=period)
    return _OF[server]
