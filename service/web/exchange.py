"""The request being handled: the one object that goes with it all the way, and that is found from
anywhere on that way.
"""

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
"""The member of a scope that has the Connection, where the request came over one of ours."""
GONE = 499
"""The status of a request whose client went away before it was answered, as nginx has it."""

_HARMLESS = re.compile(rb"[A-Za-z0-9._-]{8,64}")
"""An id of the client's that can stand in a header, a log line and a URI reference as it is."""
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""Version 00 of the header (W3C Trace Context, section 3.2)."""


class Connection(Protocol):
    """What a request may know of the connection that it came over."""

    unread: bool
    """Whether the client has still to take what was answered."""

    def when_taken(self, callback: Callable[[], object]) -> None:
        """Call when the client has taken its answer, or has gone. Only while `unread`."""

    def go_on(self, stopping: Callable[[], object]) -> None:
        """Keep it for an answer that does not end soon: `stopping` is called when the server is
        about to stop. A client that is there no more is noticed, though it never said so.
        """


class Span(Protocol):
    """A request in a trace."""

    def end(self, method: str, route: str, status: int, calls: Sequence[Call]) -> None:
        """The request is over; its statements were these."""


class Exchange(Request, Deadline):
    """A request, until when it must be answered, whom it is from, and what is learnt of it for its
    log line and the metrics.
    """

    unknown = False
    prefix = ""
    """The path below which the client sees the service, where a proxy strips it."""
    identity: Identity | None = None
    """Whom the request's token speaks for."""
    refused: Exception | None = None
    """What to raise for want of an identity."""
    worth = token_fault = ""
    """What the token was worth, in a word, and why it was refused; empty when nobody looked."""
    share: str | None = None
    """Whose share of the room the request takes, once it has been let in."""
    reading = False
    """Whether somebody waits for the client's next message."""
    read_ahead: asyncio.Queue[Message] | None = None
    """The client's next messages, where they are taken from it before they are asked for."""
    cancelled = gone = False
    """Whether the request was cancelled, for its time was over or its client has `gone`."""
    status = GONE
    """That of the answer."""
    problem = ""
    """The slug of the problem that is the answer, empty when the answer is none."""
    reason = ""
    """In a word, why the request was turned away, empty when it was not."""
    rest: Callable[[Receive, Send], Awaitable[None]] | None = None
    """What sends the body of an answer that does not end by itself, once all else is done with the
    request: it counts neither as in flight nor against the request's time.
    """
    span: Span | None = None
    """The request in its trace, where traces are on."""

    def __init__(self, scope: Scope, receive: Receive, at: float) -> None:
        """`at`: when it must be answered, on the clock of time.monotonic."""
        Request.__init__(self, scope, self._next_message)
        self.at = at
        self.began = time.perf_counter()
        lines = scope["headers"]
        self.first_lines: Mapping[bytes, bytes] = (first := dict(reversed(lines)))
        """The first line of each header, named in lower case."""
        self.repeated = len(first) < len(lines)
        """Whether some header has more lines than one."""
        self._source = receive
        identity = first.get(b"x-request-id")
        if identity is None or not _HARMLESS.fullmatch(identity):
            self.id = str(uuid7())
            """The id in X-Request-Id, in a problem's `instance`, and in every log line."""
            identity = self.id.encode()
        else:
            self.id = identity.decode()
        self.answer_headers = [(b"x-request-id", identity)]
        """Headers of the answer, whatever that is."""
        parent = first.get(b"traceparent")
        trace = None if parent is None else _TRACEPARENT.fullmatch(parent)
        self.trace_id = "" if trace is None else trace[1].decode()
        """The trace (W3C Trace Context) that the request belongs to, empty when it belongs to none.
        """
        self.calls: list[Call] = []
        """Every try of a statement."""

    def end(self) -> None:
        """Let go of the client, and of the deadline: the request is no longer handled."""
        self.at = math.inf
        self._receive = empty_receive  # which was a method of this: a cycle

    def lines(self, header: bytes) -> Sequence[str]:
        """Return the lines of a header, named in lower case."""
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
        """Return the client's next message to who puts it into `read_ahead`."""
        return await self._source()


def exchange() -> Exchange | None:
    """Return the request that is being handled, None outside of one."""
    found = current.get()
    return found if isinstance(found, Exchange) else None


def request_id() -> str:
    """Return the id of the request that is being handled; `-` outside of one."""
    found = exchange()
    return "-" if found is None else found.id


def prefix() -> str:
    """Return the path below which the client sees the service: what all links of ours begin
    with.
    """
    found = exchange()
    return "" if found is None else found.prefix


def turned_away(reason: str) -> None:
    """Note that the request is refused for want of room or time, and in a word of which: it is
    counted by that word.
    """
    if (found := exchange()) is not None:
        found.reason = reason
