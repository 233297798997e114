"""Answers as they go into the socket: whole."""

import logging

from uuid_utils import uuid7
from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPResponseStartEvent,
    Scope,
)
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from ..web.exchange import request_id
from ..web.problem import Problem, answer

log = logging.getLogger("service")

# RFC 9110, section 5.5: visible characters, blanks, tabs, and bytes beyond ASCII.
_SOUND = bytes({*range(0x100)} - {*range(0x20), 0x7F} | {0x09})


class Whole:
    """An application whose answers are written at once, head and body: uvicorn writes them apart,
    in two packets.

    ASGI has a server keep the head until the body comes. Here the body comes in one piece: nothing
    is streamed.
    """

    def __init__(self, app: ASGI3Application, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle
        self._start: HTTPResponseStartEvent | None = None

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, _: ASGISendCallable
    ) -> None:
        """Handle the request of that cycle."""
        await self._app(scope, receive, self._send)

    async def _send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if (
            self._start is None
            or message["type"] != "http.response.body"
            or message.get("more_body")
        ):
            raise RuntimeError("An answer is a head, and a body in one piece")
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        headers = [*cycle.default_headers, *self._start["headers"]]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        if b"".join([value for _, value in headers]).translate(None, _SOUND):
            raise RuntimeError("A header has a character that would end it")
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        head = b"".join([b"%b: %b\r\n" % header for header in headers])
        body = b"" if cycle.scope["method"] == "HEAD" else message["body"]
        cycle.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[self._start["status"]], head, body))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


def refusal(problem: Problem) -> bytes:
    """The problem as the bytes of a whole answer, with an id of its own, which the log has too."""
    token = request_id.set(str(uuid7()))
    try:
        log.info("refused: %s", problem)
        response = answer(problem)
        headers = [
            *response.raw_headers,
            (b"x-request-id", request_id.get().encode()),
            (b"connection", b"close"),
        ]
    finally:
        request_id.reset(token)
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (
        problem.status,
        problem.title.encode(),
        lines,
        response.body,
    )
