"""Response headers for browsers: security headers, and CORS."""

from collections.abc import Collection
from functools import cache
from operator import itemgetter

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..web.exchange import Exchange
from ..web.problem import answer
from ..web.problem_types import BadRequest

UNLESS_SAID_OTHERWISE = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Origin"),
    (b"x-content-type-options", b"nosniff"),
)
"""The headers of every response that does not set them itself."""
_name = itemgetter(0)
_NAMES = frozenset(map(_name, UNLESS_SAID_OTHERWISE))


def harden(headers: list[tuple[bytes, bytes]]) -> None:
    """Add the security headers that the response does not set itself.

    A response that varies by more than Origin lists all headers in Vary, Origin included. The proxy
    that terminates TLS sets Strict-Transport-Security.
    """
    headers += _rest(_NAMES.intersection(map(_name, headers)))


@cache
def _rest(said: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    return [header for header in UNLESS_SAID_OTHERWISE if header[0] not in said]


class Cors(CORSMiddleware):
    """Starlette's CORS, without work for requests without Origin, and with a problem for a refused
    preflight.

    An allowed origin may send any header, as tracing libraries add theirs to every request
    (`traceparent`, `baggage`, `sentry-trace`). Unlike Starlette's it leaves Vary alone: every
    response has `Vary: Origin` already.
    """

    def __init__(
        self, origins: Collection[str], methods: Collection[str], *, exposed: Collection[str]
    ) -> None:
        """`exposed`: the response headers that pages may read."""
        super().__init__(
            _nothing,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=sorted(methods),
            allow_headers=["*"],
            allow_private_network=True,
            expose_headers=exposed,
        )
        self._always = [
            (name.lower().encode(), value.encode()) for name, value in self.simple_headers.items()
        ]

    def check(self, exchange: Exchange) -> Response | None:
        """Return the response to a preflight; for any other request add the CORS headers."""
        origin = exchange.first_lines.get(b"origin")
        if origin is None:
            return None
        if exchange.method == "OPTIONS":
            headers = Headers(scope=exchange.scope)
            if "access-control-request-method" in headers:
                return self.preflight_response(headers)
        exchange.answer_headers += self.headers_for(origin)
        return None

    def headers_for(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        """Return the CORS headers for that origin; without them a browser hides the response."""
        if origin is None:
            return []
        if not self.is_allowed_origin(origin.decode("latin-1")):
            return self._always
        return [*self._always, (b"access-control-allow-origin", origin)]

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return 200, or 400 for an origin or a method that is not allowed."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        refused = answer(BadRequest(bytes(response.body).decode()))
        kept = {
            name: value
            for name, value in response.headers.items()
            if not name.startswith("content-")
        }
        refused.headers.update(kept)
        return refused


async def _nothing(_: Scope, __: Receive, ___: Send) -> None:
    """Replace the application of Starlette's CORS, which is never called."""
