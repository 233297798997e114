"""One request and its response by ASGI (specification 2.3): the application's side of a
connection.
"""

import asyncio
import logging
from typing import Protocol

from starlette.types import ASGIApp, Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ..web.problem import Problem
from ..web.problem_types import InternalError
from .reader import Request

log = logging.getLogger("service")

JOINED = 16 * 1024
"""Bytes of a body up to which it is joined with its header section and written in one piece."""

# RFC 9110, section 5.5: visible characters, blanks, tabs, and bytes beyond ASCII.
_SOUND = bytes({*range(0x100)} - {*range(0x20), 0x7F} | {0x09})

Body = bytes | memoryview
"""A memoryview is of bytes that all clients share."""


class Wire(Protocol):
    """The connection that a cycle answers on."""

    disconnected: bool
    """Whether the client has disconnected."""
    unread: bool
    """Whether the client has not yet received all that was written."""

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of every response."""

    def refusal(self, problem: Problem) -> bytes:
        """Return the problem as a complete response, the last one of the connection."""

    def write(self, pieces: list[Body], kept: int) -> None:
        """Pass the pieces to the transport. `kept`: how many bytes exist for this client alone."""

    def answered(self, *, last: bool) -> None:
        """Continue: the response is written. `last`: close the connection after it."""

    async def writable(self) -> None:
        """Wait until the client has received all that was written, or has disconnected."""


class Cycle:
    """A complete request and the application's response.

    A response in one piece is written at once: two writes would be two packets. One in several
    pieces (`more_body`) waits before each until the client has received the previous one, so that a
    client that does not read keeps only one piece in memory.
    """

    __slots__ = (
        "_body",
        "_chunked",
        "_gone",
        "_start",
        "_wire",
        "complete",
        "keep_alive",
        "scope",
        "started",
    )

    def __init__(self, wire: Wire, request: Request) -> None:
        self._wire = wire
        self._body: bytearray | None = request.body
        self._start: Message | None = None
        self._gone: asyncio.Future[None] | None = None
        self._chunked = False
        self.scope = request.scope
        self.keep_alive = request.keep_alive
        self.started = False
        self.complete = False

    async def run(self, app: ASGIApp, tasks: set[asyncio.Task[None]]) -> None:
        """Run the application, in a task that is removed from `tasks` at the end: a callback for
        that costs more. Log its exceptions, and answer them if that is still possible.
        """
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:
            log.error("the application failed", exc_info=error)  # noqa: TRY400
        finally:
            tasks.discard(asyncio.current_task())
        if self.complete or self._wire.disconnected:
            return
        if self.started:
            log.error("the application has not finished its answer")
        else:
            self._wire.write([self._wire.refusal(InternalError())], 0)
        self._finish(last=True)

    def end(self) -> None:
        """Wake the application if it waits for the client's next message: there is none."""
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    async def receive(self) -> Message:
        """Return the request, and after it `http.disconnect`: the client is gone or answered."""
        if self._body is not None:
            body, self._body = bytes(self._body), None
            return {"type": "http.request", "body": body, "more_body": False}
        if not (self.complete or self._wire.disconnected):
            self._gone = asyncio.get_running_loop().create_future()
            await self._gone
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Accept a piece of the response: its header section, some of its body, or both as one
        message, which is `http.response.start` with a `body`.
        """
        if message["type"] == "http.response.start" and self._start is None:
            self._start = message
            if "body" not in message:
                return
        elif self._start is None or message["type"] != "http.response.body" or self.complete:
            raise RuntimeError("An answer is a head, and a body after it, once")
        if self._wire.unread:
            await self._wire.writable()
        if not self._wire.disconnected:
            self._write(message.get("body", b""), more=message.get("more_body", False))

    def _write(self, body: Body, *, more: bool) -> None:
        if not self.started:
            head = self._head(more=more)
            self.started = True
        else:
            head = b""
        if self.scope["method"] == "HEAD":
            body = b""
        if self._chunked:
            head += b"%x\r\n" % len(body) if body else b""
            end = b"\r\n" * bool(body) + b"0\r\n\r\n" * (not more)
        else:
            end = b""
        if len(body) <= JOINED:
            self._wire.write([b"".join((head, body, end))], len(body))
        else:
            self._wire.write([head, body, end], 0 if isinstance(body, memoryview) else len(body))
        if not more:
            self._finish(last=not self.keep_alive)

    def _finish(self, *, last: bool) -> None:
        self.complete = True
        self.end()
        self._wire.answered(last=last)

    def _head(self, *, more: bool) -> bytes:
        assert self._start is not None
        headers = [*self._wire.default_headers, *self._start["headers"]]
        if more and not any(name == b"content-length" for name, _ in headers):
            # RFC 9112, section 7.1; in HTTP/1.0 the connection's end marks the body's.
            if self.scope["http_version"] == "1.1":
                self._chunked = self.scope["method"] != "HEAD"
                headers.append((b"transfer-encoding", b"chunked"))
            else:
                self.keep_alive = False
        if not self.keep_alive:
            headers.append((b"connection", b"close"))
        lines = b"\r\n".join([*map(b": ".join, headers), b"\r\n"])
        if lines.translate(None, _SOUND) != b"\r\n" * (len(headers) + 1):
            raise RuntimeError("A header has a character that would end it")
        return STATUS_LINE[self._start["status"]] + lines
