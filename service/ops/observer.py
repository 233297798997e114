"""Report each request and statement: a log line, metrics, a span."""

import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..db.errors import TOO_MANY
from ..db.queries import Call
from ..layers.admission import PROBES
from ..settings import LogSettings
from ..web.exchange import GONE, Exchange, exchange
from .logs import Access, Statement, access_log, without_tokens
from .metrics import Metrics

if TYPE_CHECKING:
    from .spans import Traces

log = logging.getLogger("service")

UNROUTED = "unrouted"
"""The route of a request that has none, or was refused before routing."""
METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
)

LISTED = 16
"""Tries of statements that a line lists one by one. A longer line would come apart: see Output."""

_LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning"}


class Kind:
    """What all requests of a method, route and status have in common."""

    __slots__ = ("durations", "level", "message", "said_level")

    def __init__(self, method: str, route: str, status: int, metrics: Metrics | None) -> None:
        self.level = logging.INFO if status < 500 else logging.WARNING
        if self.level == logging.INFO and route in PROBES:
            self.level = logging.DEBUG
        self.said_level = _LEVELS[self.level]
        self.message = f"{method} {route} {status}"
        self.durations = None if metrics is None else metrics.requests[method, route, status]


class Observer:
    """Reports requests and statements to the log, the metrics and the traces, if they are on."""

    def __init__(self, settings: LogSettings, metrics: Metrics | None) -> None:
        self.metrics = metrics
        self.traces: Traces | None = None
        self.in_flight = 0
        self._level = logging.getLevelNamesMapping()[settings.log_level.upper()]
        self._write = access_log(settings)
        self._slow = settings.slow_statement
        self._kinds: dict[tuple[str, str, int], Kind] = {}

    def statement(self, call: Call) -> None:
        """Report a try of a statement."""
        name, acquired, ended = call.name, call.acquired, call.ended
        if (current := exchange()) is not None:
            current.calls.append(call)
            if call.sqlstate == TOO_MANY:
                current.reason = "connections"
        if (metrics := self.metrics) is not None:
            if acquired != call.began:  # not within a transaction
                metrics.acquired.observe(acquired - call.began)
            if acquired != ended:
                metrics.statements[name].ran(ended - acquired, call.rows)
            if call.sqlstate:
                metrics.errors[name, call.sqlstate[:2]] += 1
        if ended - call.began > self._slow:
            log.warning("slow statement: %s", name, extra={"fields": {"statement": _logged(call)}})

    def begin(self, exchange: Exchange) -> None:
        """Begin a request."""
        self.in_flight += 1
        if self.traces is not None:
            span = self.traces.begin(exchange.scope["headers"], exchange.began)
            exchange.span, exchange.trace_id = span, span.trace_id
            exchange.answer_headers.append((b"traceresponse", span.response))

    def end(self, exchange: Exchange) -> None:
        """Report a finished request."""
        self.in_flight -= 1
        seconds = time.perf_counter() - exchange.began
        scope, status = exchange.scope, exchange.status
        route: str = scope.get("route", UNROUTED)
        method = scope["method"] if scope["method"] in METHODS else "other"
        if (kind := self._kinds.get((method, route, status))) is None:
            kind = self._kinds[method, route, status] = Kind(method, route, status, self.metrics)
        if (metrics := self.metrics) is not None and kind.durations is not None:
            kind.durations.observe(seconds)
            if exchange.worth:
                metrics.tokens[exchange.worth, exchange.token_fault] += 1
            if exchange.reason and status in {429, 503}:
                metrics.turned_away[exchange.reason] += 1
        if exchange.span is not None:
            exchange.span.end(method, route, status, exchange.calls)
        if kind.level >= self._level:
            self._write(
                Access(
                    datetime.now(UTC),
                    kind.said_level,
                    "service.access",
                    kind.message,
                    exchange.id,
                    method,
                    route,
                    status,
                    round(seconds * 1e6) / 1e3,  # milliseconds
                    exchange.problem or ("client-gone" if status == GONE else "ok"),
                    exchange.token_fault,
                    [_logged(call) for call in exchange.calls]
                    if len(exchange.calls) <= LISTED
                    else _summed_up(exchange.calls),
                    exchange.trace_id,
                    without_tokens(scope["path"]) if self._level == logging.DEBUG else "",
                )
            )


def _logged(call: Call) -> Statement:
    # In milliseconds.
    wait = round((call.acquired - call.began) * 1e6) / 1e3
    run = round((call.ended - call.acquired) * 1e6) / 1e3
    return Statement(call.name, wait, run, call.rows, call.sqlstate)


def _summed_up(calls: Iterable[Call]) -> list[Statement]:
    """The tries of each statement as one, those that failed apart."""
    sums: dict[tuple[str, str], Statement] = {}
    for call in calls:
        found = _logged(call)
        known = sums.setdefault((found.name, found.sqlstate), found)
        if known is not found:
            known.wait_ms = round(known.wait_ms + found.wait_ms, 3)
            known.ms = round(known.ms + found.ms, 3)
            known.rows += found.rows
            known.tries += 1
    return [*sums.values()]
