"""One layer around the application that gives each request its id and tells of it: a line in the
log, metrics, a span.

One layer and not four, because each costs every request a call and a wrapped `send`.
"""

import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from ..db.errors import TOO_MANY
from ..db.queries import Call
from ..layers.admission import PROBES
from ..settings import LogSettings
from ..web.exchange import Exchange, exchange, request_id
from .logs import Access, Statement, access_log, without_tokens
from .metrics import Metrics

if TYPE_CHECKING:
    from .spans import RequestSpan, Traces

log = logging.getLogger("service")

GONE = 499
"""The status of a request whose client went away before it was answered, as nginx has it."""
UNROUTED = "unrouted"
"""The route of a request that has none, or was refused before it was looked for."""
METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)

_LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning"}

_HARMLESS = re.compile(rb"[A-Za-z0-9._-]{8,64}")
"""An id of the client's that can stand in a header, a log line and a URI reference as it is."""
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""Version 00 of the header (W3C Trace Context, section 3.2)."""


class Observer:
    """Report requests and statements to the log, the metrics and the traces, as far as they are
    on.
    """

    def __init__(
        self,
        settings: LogSettings,
        metrics: Metrics | None,
        worth: Callable[[Scope], tuple[str, str]],
    ) -> None:
        """`worth`: what the request's token was worth, in a word, and why it was refused; both
        empty when nobody looked.
        """
        self.metrics = metrics
        self.traces: Traces | None = None
        self._worth = worth
        self.in_flight = 0
        self._level = logging.getLevelNamesMapping()[settings.log_level.upper()]
        self._write = access_log(settings)
        self._slow = settings.slow_statement

    def statement(self, call: Call) -> None:
        """A statement was tried."""
        if (current := exchange.get()) is not None:
            current.calls.append(call)
            if call.sqlstate == TOO_MANY:
                current.reason = "connections"
        if (metrics := self.metrics) is not None:
            name, waited = call.name, call.acquired - call.began
            if waited:  # not within a transaction
                metrics.acquired.observe(waited)
            if call.acquired != call.ended:
                metrics.statements[name,].observe(call.ended - call.acquired)
            metrics.rows[name] += call.rows
            if call.sqlstate:
                metrics.errors[name, call.sqlstate[:2]] += 1
        if call.ended - call.began > self._slow:
            log.warning(
                "slow statement: %s", call.name, extra={"fields": {"statement": _statement(call)}}
            )

    def request(
        self, scope: Scope, told: Exchange, status: int, began: float, span: "RequestSpan | None"
    ) -> None:
        """A request is over."""
        seconds = time.perf_counter() - began
        route = getattr(scope.get("route"), "path", UNROUTED)
        worth, refusal = self._worth(scope)
        method = scope["method"] if scope["method"] in METHODS else "other"
        if (metrics := self.metrics) is not None:
            metrics.requests[method, route, str(status)] += 1
            metrics.durations[method, route].observe(seconds)
            if worth:
                metrics.tokens[worth, refusal] += 1
            if told.reason and status in {429, 503}:
                metrics.turned_away[told.reason] += 1
        if span is not None:
            span.end(method, route, status, told.calls)
        level = logging.INFO if status < 500 else logging.WARNING
        if level == logging.INFO and route in PROBES:
            level = logging.DEBUG
        if level >= self._level:
            self._write(
                Access(
                    datetime.now(UTC),
                    _LEVELS[level],
                    "service.access",
                    f"{method} {route} {status}",
                    request_id.get(),
                    method,
                    route,
                    status,
                    round(seconds * 1e6) / 1e3,  # milliseconds
                    told.problem or ("client-gone" if status == GONE else "ok"),
                    refusal,
                    [_statement(call) for call in told.calls],
                    told.trace_id,
                    without_tokens(scope["path"]) if self._level == logging.DEBUG else "",
                )
            )


class Observed:
    """Give each request an id, the client's X-Request-Id where that is harmless, and tell the
    observer of it.
    """

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self.app = app
        self.observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        given = parent = b""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = given or value
            elif name == b"traceparent":
                parent = value
        identity = given if _HARMLESS.fullmatch(given) else str(uuid7()).encode()
        request_id.set(identity.decode())
        observer = self.observer
        if (traces := observer.traces) is not None:
            span = traces.begin(scope["headers"], began)
            own = [(b"x-request-id", identity), (b"traceresponse", span.response)]
            told = Exchange(span.trace_id)
        else:
            span, own = None, [(b"x-request-id", identity)]
            told = Exchange(
                trace[1].decode() if parent and (trace := _TRACEPARENT.fullmatch(parent)) else ""
            )
        exchange.set(told)
        status = GONE

        async def told_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *own]
            await send(message)

        observer.in_flight += 1
        try:
            await self.app(scope, receive, told_send)
        finally:
            observer.in_flight -= 1
            observer.request(scope, told, status, began, span)
        if told.rest is not None:
            await told.rest(receive, send)


def _statement(call: Call) -> Statement:
    # In milliseconds.
    wait = round((call.acquired - call.began) * 1e6) / 1e3
    run = round((call.ended - call.acquired) * 1e6) / 1e3
    return Statement(call.name, wait, run, call.rows, call.sqlstate)
