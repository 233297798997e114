"""Refuse requests before they cost work: those for other hosts, and too many at once."""

from collections.abc import Callable, Collection
from functools import partial

from ..web.addresses import network_of
from ..web.exchange import CONNECTION, Connection, Exchange, turned_away
from ..web.problem_types import Misdirected, TooManyRequests, Unavailable

PROBES = frozenset({"/livez", "/readyz", "/health"})
"""Health checks come from machines, often by address, and matter most under overload."""
SHARE = 4
"""One caller may have a quarter of the slots, so that one alone cannot block all others."""

KeyOf = Callable[[Exchange], str]


class AllowedHosts:
    """Refuses requests for other hosts, except probes. Ports are ignored; an empty list allows any
    host.
    """

    def __init__(self, hosts: Collection[str]) -> None:
        self.hosts = frozenset(host.lower().encode() for host in hosts)

    def check(self, exchange: Exchange) -> None:
        """Raise Misdirected for another host."""
        if (
            self.hosts
            and exchange.scope["path"] not in PROBES
            and _without_port(exchange.first_lines.get(b"host", b"")) not in self.hosts
        ):
            raise Misdirected


def _without_port(host: bytes) -> bytes:
    name, _, port = host.rpartition(b":")
    return (name if port.isdigit() else host).lower()


def share_of(exchange: Exchange) -> str:
    """Return the key of a request's share: its owner, or without one its client's network."""
    identity = exchange.identity
    return (
        f"network {network_of(exchange.scope)}" if identity is None else f"owner {identity.owner}"
    )


class Admission:
    """Limits this process to `room` requests at once, a quarter of them for one caller.

    Above a caller's share a request gets 429, above `room` 503, both at once and with Retry-After.
    Probes always pass. A caller's share is freed once the client has received the response, which
    bounds its unread responses; the slot in `room` at once, so that a client that does not read
    takes nothing from others.
    """

    def __init__(self, room: int, key: KeyOf = share_of) -> None:
        self.room = room
        self.share = max(1, room // SHARE)
        self.key = key
        self.inside: dict[str, int] = {}
        self.total = 0

    def enter(self, exchange: Exchange) -> str | None:
        """Admit a request; return the key of its share, None for a probe.

        Raises TooManyRequests and Unavailable.
        """
        if exchange.scope["path"] in PROBES:
            return None
        key = self.key(exchange)
        inside = self.inside.get(key, 0)
        if inside >= self.share:
            turned_away("share")
            raise TooManyRequests("Too many requests at once", retry_after=1)
        if self.total >= self.room:
            turned_away("room")
            raise Unavailable("Too many requests at once")
        self.inside[key] = inside + 1
        self.total += 1
        return key

    def leave(self, exchange: Exchange, key: str) -> None:
        """Free the share that `enter` returned, once the response is written."""
        self.total -= 1
        connection: Connection | None = exchange.scope.get(CONNECTION)
        if connection is not None and connection.unread:
            connection.when_taken(partial(self._give_back, key))
        else:
            self._give_back(key)

    def _give_back(self, key: str) -> None:
        if left := self.inside[key] - 1:
            self.inside[key] = left
        else:
            del self.inside[key]
