"""The current request: one object for all code that handles it, or found by a context variable."""

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from starlette.requests import Request, empty_receive
from starlette.types import Message, Receive, Scope, Send
from uuid_utils import uuid7

from ..db.deadline import Deadline, current
from ..db.queries import Call
from ..owner import Identity

CONNECTION = "service.connection"
"""The key of a scope for the Connection, if the request came over our server."""
GONE = 499
"""The status, as in nginx, of a request whose client disconnected before the response."""

_HARMLESS = re.compile(rb"[A-Za-z0-9._-]{8,64}")
"""A client's request id, safe in a header, a log line and a URI reference."""
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""Version 00 of the header (W3C Trace Context, section 3.2)."""


class Connection(Protocol):
    """The interface of a connection for its requests.

    Its `send` accepts a response in one message too: `http.response.start` with a `body`.
    """

    unread: bool
    """Whether the client has not yet received all of the response."""

    def when_taken(self, callback: Callable[[], object]) -> None:
        """Call back when the client has received its response or disconnected. Only while
        `unread`.
        """

    def go_on(self, stopping: Callable[[], object]) -> None:
        """Keep the connection of a stream open: call `stopping` when the server is about to stop,
        and detect a client that has vanished.
        """


class Span(Protocol):
    """A request's span in a trace."""

    def end(self, method: str, route: str, status: int, calls: Sequence[Call]) -> None:
        """End the span, with these statements."""


class Exchange(Request, Deadline):
    """A request with its deadline, its identity, and the facts for its log line and the metrics."""

    unknown = False
    prefix = ""
    """The path prefix under which the client sees the service, if a proxy strips one."""
    identity: Identity | None = None
    """The identity in the request's token."""
    refused: Exception | None = None
    """The problem to raise if there is no identity."""
    worth = token_fault = ""
    """The result of the token's verification and the reason for a refusal; empty without one."""
    share: str | None = None
    """The key of the share that the request takes, once admitted."""
    reading = False
    """Whether code waits for the client's next message."""
    read_ahead: asyncio.Queue[Message] | None = None
    """The client's next messages, if they were read ahead."""
    cancelled = gone = False
    """Whether the request was cancelled: it took too long, or its client is `gone`."""
    status = GONE
    """The response's status code."""
    problem = ""
    """The slug of the problem in the response, empty if it is none."""
    reason = ""
    """Why the request was turned away, for the metrics; empty if it was not."""
    rest: Callable[[Receive, Send], Awaitable[None]] | None = None
    """Sends the body of a stream, after all layers are done: it counts neither as a request in
    flight nor against the request's timeout.
    """
    span: Span | None = None
    """The request's span, if tracing is on."""

    def __init__(self, scope: Scope, receive: Receive, at: float) -> None:
        """`at`: the deadline, in seconds of time.monotonic."""
        Request.__init__(self, scope, self._next_message)
        self.at = at
        self.began = time.perf_counter()
        lines = scope["headers"]
        self.first_lines: Mapping[bytes, bytes] = (first := dict(reversed(lines)))
        """The first line of each header, by its name in lower case."""
        self.repeated = len(first) < len(lines)
        """Whether any header has several lines."""
        self._source = receive
        identity = first.get(b"x-request-id")
        if identity is None or not _HARMLESS.fullmatch(identity):
            self.id = str(uuid7())
            """The id in X-Request-Id, a problem's `instance`, and every log line."""
            identity = self.id.encode()
        else:
            self.id = identity.decode()
        self.answer_headers = [(b"x-request-id", identity)]
        """Headers to add to every response, errors too."""
        parent = first.get(b"traceparent")
        trace = None if parent is None else _TRACEPARENT.fullmatch(parent)
        self.trace_id = "" if trace is None else trace[1].decode()
        """The id of the request's trace (W3C Trace Context), empty without one."""
        self.calls: list[Call] = []
        """Every try of a statement."""

    def end(self) -> None:
        """Release the client and the deadline: the request is done."""
        self.at = math.inf
        self._receive = empty_receive  # which was a method of this: a cycle

    def lines(self, header: bytes) -> Sequence[str]:
        """Return the lines of a header, by its name in lower case."""
        first = self.first_lines.get(header)
        if first is None:
            return ()
        if not self.repeated:
            return (first.decode("latin-1"),)
        return [value.decode("latin-1") for name, value in self.scope["headers"] if name == header]

    async def _next_message(self) -> Message:
        if self.read_ahead is not None:
            return await self.read_ahead.get()
        self.reading = True
        try:
            return await self._source()
        finally:
            self.reading = False

    async def read_on(self) -> Message:
        """Return the client's next message, for the caller to put into `read_ahead`."""
        return await self._source()


def exchange() -> Exchange | None:
    """Return the current request, None outside of one."""
    found = current.get()
    return found if isinstance(found, Exchange) else None


def request_id() -> str:
    """Return the current request's id, `-` outside of one."""
    found = exchange()
    return "-" if found is None else found.id


def prefix() -> str:
    """Return the path prefix under which the client sees the service, for all links."""
    found = exchange()
    return "" if found is None else found.prefix


def turned_away(reason: str) -> None:
    """Note that the request is turned away by a limit; `reason` is its label in the metrics."""
    if (found := exchange()) is not None:
        found.reason = reason
