"""All connections of a process: their number, their memory, and which one is closed at a limit.

One regular sweep checks all of them: that costs less than a timer for each request.
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
"""Bytes that this process buffers for all clients together: unread responses and incomplete
requests.
"""
STALLED = 1.0
"""Seconds without progress after which a client's bytes count more."""
STALLED_WEIGHT = 64
"""A byte of a stalled client counts as so many: stalled ones go first, but a small one outlasts a
network that buffers most of all.
"""
SHARE = 4
"""At the limit, a network's connections beyond a quarter of all are too many."""


class Connection(Protocol):
    """The interface of a connection here."""

    kept: int
    """Buffered bytes: of an incomplete request, or of an unread response."""
    left: int
    """Bytes of a response that the client has not yet received."""
    since: float
    """When it began to wait for the client, or the client last read, on the loop's clock."""
    moved: float
    """When the client last sent or read something of the buffered bytes."""

    @property
    def network(self) -> str:
        """The client's network."""

    def look(self, now: float) -> None:
        """Update `since` and `moved` if the client has read some of its response."""

    def idle(self) -> bool:
        """Return whether it waits for the client, who sends nothing."""

    def reading(self) -> bool:
        """Return whether its client is reading a response."""

    def check(self, now: float) -> None:
        """Close it if the client takes too long."""

    def abort(self) -> None:
        """Close it now."""


class Connections:
    """The connections of one server.

    At the limit of connections, the network with the most loses the one idle for longest. At the
    limit of bytes, the network with the most bytes, those of stalled clients weighted, loses the
    one with the most bytes left. So neither silent clients nor those that do not read lock others
    out, and a request in progress is never cut.
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
        """Add a new connection. Above `limit`, close another one, or else this."""
        self._open[connection] = None
        if len(self._open) > limit:
            self._make_room(connection)
        if self._timer is None:
            self._timer = self._loop.call_later(self._period, self._sweep)

    def remove(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self.keep(connection, 0, MAX_KEPT)
        self._open.pop(connection, None)

    def keep(self, connection: Connection, size: int, limit: int) -> None:
        """Note how many bytes are buffered for that connection. Above the limit for all together,
        close others, or this one.
        """
        self.kept += size - connection.kept
        connection.kept = size
        while self.kept > limit:
            self._drop(self._heaviest())

    def _heaviest(self) -> Connection:
        """Return the connection to close at the limit of bytes."""
        now = self._loop.time()
        holders = [other for other in self._open if other.kept]
        for other in holders:
            other.look(now)
        crowd = _crowd(
            holders,
            weight=lambda other: (
                other.kept * (STALLED_WEIGHT if now - other.moved > STALLED else 1)
            ),
        )
        return max(crowd, key=lambda other: other.left or other.kept)

    def _make_room(self, newcomer: Connection) -> None:
        """Close one connection: idle ones first; then a slow reader of a network with more than its
        share; the newcomer if all others are in progress.
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
    """Return those of the network with the greatest weight."""
    by_network: defaultdict[str, list[Connection]] = defaultdict(list)
    for connection in connections:
        by_network[connection.network].append(connection)
    return max(by_network.values(), key=lambda crowd: sum(map(weight, crowd)), default=[])


def _longest(connections: Iterable[Connection]) -> Connection:
    """Return the one idle for longest of the network with the most."""
    return min(_crowd(connections), key=lambda connection: connection.since)


_OF: WeakKeyDictionary[ServerState, Connections] = WeakKeyDictionary()


def connections_of(server: ServerState, loop: AbstractEventLoop, period: float) -> Connections:
    """Return the connections of a uvicorn server."""
    if server not in _OF:
        _OF[server] = Connections(loop, period=period)
    return _OF[server]
