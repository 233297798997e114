"""The path prefix under which clients see the service, and which a proxy strips."""

from starlette.types import ASGIApp, Receive, Scope, Send

from ..settings import PREFIX
from ..web.addresses import Networks, address_of

MAX_PREFIX = 255
SAID = "service.prefix"
"""The key of a scope for the client's path prefix."""


class Prefix:
    """Puts the client's path prefix into the scope, for all links in the response.

    It is `root_path`, or a trusted proxy's X-Forwarded-Prefix. Must wrap the middleware that
    replaces the proxy's address by the client's.
    """

    def __init__(self, app: ASGIApp, root_path: str, proxies: Networks) -> None:
        self.app = app
        self.root_path = root_path
        self.proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            scope[SAID] = self._prefix(scope)
        await self.app(scope, receive, send)

    def _prefix(self, scope: Scope) -> str:
        given = [value for name, value in scope["headers"] if name == b"x-forwarded-prefix"]
        if not given or address_of(scope) not in self.proxies:
            return self.root_path
        text = given[-1].decode("latin-1").rstrip("/")
        sound = len(text) <= MAX_PREFIX and (not text or PREFIX.fullmatch(text))
        return text if sound else self.root_path
