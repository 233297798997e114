"""What belongs to the request being handled, for those who are not handed the request."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Protocol

from starlette.types import Receive, Send

from ..db.queries import Call

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id in X-Request-Id, in a problem's `instance`, and in every log line; `-` outside a request.
"""


CONNECTION = "service.connection"
"""The member of a scope that has the Connection, where the request came over one of ours."""


class Connection(Protocol):
    """What a request's layers may know of the connection that it came over."""

    unread: bool
    """Whether the client has still to take what was answered."""

    def when_taken(self, callback: Callable[[], object]) -> None:
        """Call when the client has taken its answer, or has gone. Only while `unread`."""

    def go_on(self, stopping: Callable[[], object]) -> None:
        """Keep it for an answer that does not end soon: `stopping` is called when the server is
        about to stop. A client that is there no more is noticed, though it never said so.
        """


class Exchange:
    """What is learnt of a request while it is handled: its log line and metrics need it later."""

    __slots__ = ("calls", "prefix", "problem", "reason", "rest", "trace_id")

    def __init__(self, trace_id: str) -> None:
        self.calls: list[Call] = []
        """Every try of a statement."""
        self.prefix = ""
        """The path below which the client sees the service, where a proxy strips it."""
        self.problem = ""
        """The slug of the problem that is the answer, empty when the answer is none."""
        self.reason = ""
        """In a word, why the request was turned away, empty when it was not."""
        self.rest: Callable[[Receive, Send], Awaitable[None]] | None = None
        """What sends the body of an answer that does not end by itself, once the layers have done
        with the request: it counts neither as in flight nor against the request's time.
        """
        self.trace_id = trace_id
        """The trace (W3C Trace Context) that the request belongs to, empty when it belongs to none.
        """


exchange: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def prefix() -> str:
    """The path below which the client sees the service: what all links of ours begin with."""
    current = exchange.get()
    return current.prefix if current is not None else ""


def turned_away(reason: str) -> None:
    """Note that the request is refused for want of room or time, and in a word of which: it is
    counted by that word.
    """
    if (current := exchange.get()) is not None:
        current.reason = reason
