"""What is turned away before any work is done for it: other hosts' requests, and more at once than
there is room for.
"""

from collections.abc import Callable, Collection
from functools import partial

from ..web.addresses import network_of
from ..web.exchange import CONNECTION, Connection, Exchange, turned_away
from ..web.problem_types import Misdirected, TooManyRequests, Unavailable

PROBES = ("/livez", "/readyz", "/health")
"""Asked by machines, often by address, and needed most when all else is turned away."""
SHARE = 4
"""One caller may have a quarter of the room, so that it takes several to leave nothing for the
others.
"""

KeyOf = Callable[[Exchange], str]


class AllowedHosts:
    """Answer only requests for these hosts, and probes. A port makes no difference; no hosts at all
    means any host.
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
    """Whose share a request takes: names of owners and of networks are kept apart."""
    identity = exchange.identity
    return (
        f"network {network_of(exchange.scope)}" if identity is None else f"owner {identity.owner}"
    )


class Admission:
    """Handle at most `room` requests at once in this process, a quarter of them for one caller.

    One caller's surplus is 429, the surplus of all is 503; both at once and with Retry-After.
    Probes always get in. A caller's share is given back when the client has taken the answer, so
    that nobody can leave more of them lying about; the room at once, so that nobody takes it from
    others by not reading.
    """

    def __init__(self, room: int, key: KeyOf = share_of) -> None:
        self.room = room
        self.share = max(1, room // SHARE)
        self.key = key
        self.inside: dict[str, int] = {}
        self.total = 0

    def enter(self, exchange: Exchange) -> str | None:
        """Let a request in; return whose share it takes, None for a probe, which takes none.

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
        """Give back what `enter` has returned, once the answer is written."""
        self.total -= 1
        connection: Connection | None = exchange.scope.get(CONNECTION)
        if connection is not None and connection.unread:
            connection.when_taken(partial(self._give_back, key))
        else:
            self._give_back(key)

    def _give_back(self, key: str) -> None:
        self.inside[key] -= 1
        if not self.inside[key]:
            del self.inside[key]
