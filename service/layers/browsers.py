"""What every answer has for browsers: headers that keep them from making too much of it, and
CORS.
"""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..web.problem import answer
from ..web.problem_types import BadRequest

UNLESS_SAID_OTHERWISE = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Origin"),
    (b"x-content-type-options", b"nosniff"),
)
"""What every answer has, unless it says otherwise for itself."""


class Hardening:
    """Headers that keep browsers from making more of an answer than it is.

    An answer may set these headers itself. One that varies by more than the origin lists all it
    varies by, the origin included. Strict-Transport-Security belongs to the proxy that ends TLS.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def hardened_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                said = dict(headers)
                message["headers"] = [
                    *headers,
                    *[header for header in UNLESS_SAID_OTHERWISE if header[0] not in said],
                ]
            await send(message)

        await self.app(scope, receive, hardened_send)


class Cors(CORSMiddleware):
    """Starlette's CORS, with nothing to do for a request without an origin, and a refused preflight
    as a problem.

    An allowed origin may send any header: tracing libraries add theirs to every request
    (`traceparent`, `baggage`, `sentry-trace`), and those that mean nothing here are not looked at.
    Unlike Starlette's it leaves Vary alone: every answer says there that it depends on the origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        origins: Collection[str],
        methods: Collection[str],
        *,
        exposed: Collection[str],
    ) -> None:
        """`exposed`: the headers of answers that pages may read."""
        super().__init__(
            app,
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        origin = None
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"origin":
                    origin = value
                    break
        if origin is None:
            await self.app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            headers = Headers(scope=scope)
            if "access-control-request-method" in headers:
                await self.preflight_response(headers)(scope, receive, send)
                return
        told = self.headers_for(origin)

        async def send_telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *told]
            await send(message)

        await self.app(scope, receive, send_telling)

    def headers_for(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        """What an answer to that origin has: without the last, a browser keeps it from the page."""
        if origin is None:
            return []
        if not self.is_allowed_origin(origin.decode("latin-1")):
            return self._always
        return [*self._always, (b"access-control-allow-origin", origin)]

    def preflight_response(self, request_headers: Headers) -> Response:
        """200, or 400 for an origin or a method that is not allowed."""
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
