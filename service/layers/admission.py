"""What is turned away before any work is done for it: other hosts' requests, and more at once than
there is room for.
"""

from collections.abc import Callable, Collection
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from ..web.exchange import CONNECTION, Connection, turned_away
from ..web.problem import answer
from ..web.problem_types import Misdirected, TooManyRequests, Unavailable

PROBES = ("/livez", "/readyz", "/health")
"""Asked by machines, often by address, and needed most when all else is turned away."""
SHARE = 4
"""One caller may have a quarter of the room, so that it takes several to leave nothing for the
others.
"""

KeyOf = Callable[[Scope], str]


class AllowedHosts:
    """Answer only requests for these hosts, and probes. A port makes no difference; no hosts at all
    means any host.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = frozenset(host.lower().encode() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not self.hosts or scope["path"] in PROBES:
            await self.app(scope, receive, send)
            return
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        if _without_port(host) in self.hosts:
            await self.app(scope, receive, send)
        else:
            await answer(Misdirected())(scope, receive, send)


def _without_port(host: bytes) -> bytes:
    name, _, port = host.rpartition(b":")
    return (name if port.isdigit() else host).lower()


class Admission:
    """Handle at most `room` requests at once in this process, a quarter of them for one caller.

    One caller's surplus is 429, the surplus of all is 503; both at once and with Retry-After.
    Probes always get in. A caller's share is given back when the client has taken the answer, so
    that nobody can leave more of them lying about; the room at once, so that nobody takes it from
    others by not reading.
    """

    def __init__(self, app: ASGIApp, room: int, key: KeyOf) -> None:
        self.app = app
        self.room = room
        self.share = max(1, room // SHARE)
        self.key = key
        self.inside: dict[str, int] = {}
        self.total = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self.app(scope, receive, send)
            return
        key = self.key(scope)
        inside = self.inside.get(key, 0)
        if inside >= self.share:
            turned_away("share")
            await answer(TooManyRequests("Too many requests at once", retry_after=1))(
                scope, receive, send
            )
            return
        if self.total >= self.room:
            turned_away("room")
            await answer(Unavailable("Too many requests at once"))(scope, receive, send)
            return
        self.inside[key] = inside + 1
        self.total += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.total -= 1
            connection: Connection | None = scope.get(CONNECTION)
            if connection is not None and connection.unread:
                connection.when_taken(partial(self._leave, key))
            else:
                self._leave(key)

    def _leave(self, key: str) -> None:
        self.inside[key] -= 1
        if not self.inside[key]:
            del self.inside[key]
