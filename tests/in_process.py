"""A client that calls an application in its own event loop."""

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

HOST = "http://service"


class DirectClient(httpx.AsyncClient):
    """Build requests and read responses as httpx does, and skip what lies between: redirects,
    cookies, timeouts, addresses that are put together and the stream of its ASGITransport take
    longer than most handlers.

    The application's exceptions come through. Requests whose body is a stream, and responses that
    are read as one, go httpx's whole way.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(transport=httpx.ASGITransport(app), base_url=HOST)
        self._app = app

    def build_request(self, method: str, url: Any, **options: Any) -> httpx.Request:
        """Return a request to a path of the application, with the client's headers."""
        given = {name: options.get(name) for name in ("params", "content", "data", "files", "json")}
        headers = self.headers.copy()
        headers.update(options.get("headers"))
        return httpx.Request(method, f"{HOST}{url}", headers=headers, **given)

    async def send(
        self, request: httpx.Request, *, stream: bool = False, **options: Any
    ) -> httpx.Response:
        """Return the application's whole response."""
        if stream or not isinstance(request.stream, httpx.ByteStream):
            return await super().send(request, stream=stream, **options)
        coming: list[Message] = [{"type": "http.request", "body": request.content}]
        answered: list[Message] = []
        ended = asyncio.Event()

        async def receive() -> Message:
            if coming:
                return coming.pop()
            await ended.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            assert not ended.is_set()
            answered.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended.set()

        await self._app(_scope(request), receive, send)
        start, *parts = answered
        assert ended.is_set()
        assert start["type"] == "http.response.start"
        assert {part["type"] for part in parts} == {"http.response.body"}
        content = (
            b"" if request.method == "HEAD" else b"".join(part.get("body", b"") for part in parts)
        )
        response = httpx.Response(
            start["status"],
            headers=start["headers"],
            stream=httpx.ByteStream(content),  # `content=` would add a Content-Length
            request=request,
        )
        response.read()
        return response


def _scope(request: httpx.Request) -> dict[str, Any]:
    """The request as a server hands it over."""
    url = request.url
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": url.raw_path.partition(b"?")[0],
        "query_string": url.query,
        "server": (url.host, url.port),
        "client": ("127.0.0.1", 123),
        "root_path": "",
    }
