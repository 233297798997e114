"""Count requests, statements and the like: a few additions to dictionaries for each request.

The client library's own counters cost three microseconds each if several processes share them. So
the library only renders snapshots for Prometheus (exposition.py).

All label values are known from the code: route templates, statement names, fixed words. None comes
from a client.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STATEMENT_SECONDS = (
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
)
ACQUIRE_SECONDS = (0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

Labels = tuple[str, ...]


class Measured(NamedTuple):
    """A histogram's state: the count of each bucket, the last one open-ended, and the sum."""

    counts: list[int]
    sum: float

    def plus(self, other: "Measured") -> "Measured":
        """Return both together."""
        counts = [one + two for one, two in zip(self.counts, other.counts, strict=True)]
        return Measured(counts, self.sum + other.sum)


Value = float | Measured
Snapshot = Mapping[str, Mapping[Labels, Value]]
"""Values by family and labels."""


class Family(NamedTuple):
    """A metric. Over several processes counters and histograms add up, dead ones' included; gauges
    add up over live ones.
    """

    kind: Literal["counter", "histogram", "gauge", "greatest"]
    """`greatest`: a gauge whose greatest value stands for all processes."""
    help: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()


FAMILIES: Mapping[str, Family] = {
    "task_service_build_info": Family(
        "greatest", "Always 1; the version is the label.", ("version",)
    ),
    "task_service_workers": Family("gauge", "Worker processes that are alive."),
    "task_service_http_requests_total": Family(
        "counter",
        "Requests. 499 is a client that went away before it was answered.",
        ("method", "route", "status"),
    ),
    "task_service_http_request_duration_seconds": Family(
        "histogram",
        "Seconds from a request's head to the end of its answer.",
        ("method", "route"),
        REQUEST_SECONDS,
    ),
    "task_service_http_requests_in_flight": Family("gauge", "Requests in progress."),
    "task_service_http_requests_turned_away_total": Family(
        "counter",
        "Requests answered 429 or 503, by the limit that was reached.",
        ("reason",),
    ),
    "task_service_http_refused_total": Family(
        "counter",
        "Malformed, oversized and late requests, by the status of their answer.",
        ("status",),
    ),
    "task_service_db_connections": Family("gauge", "Open connections of the pool.", ("state",)),
    "task_service_db_connections_max": Family(
        "gauge", "Connections that the pool may open: DB_POOL_MAX."
    ),
    "task_service_db_waiting": Family("gauge", "Statements that wait for a connection."),
    "task_service_db_acquire_seconds": Family(
        "histogram",
        "Seconds that statements waited for a connection, successful or not.",
        (),
        ACQUIRE_SECONDS,
    ),
    "task_service_db_statement_seconds": Family(
        "histogram",
        "Seconds from having a connection to the statement's last row, or its failure.",
        ("statement",),
        STATEMENT_SECONDS,
    ),
    "task_service_db_statement_rows_total": Family(
        "counter", "Rows that statements returned or affected.", ("statement",)
    ),
    "task_service_db_statement_errors_total": Family(
        "counter",
        "Tries of statements that failed, by class of SQLSTATE; 08 and 53 had no connection.",
        ("statement", "sqlstate"),
    ),
    "task_service_streams": Family("gauge", "Open streams of changes."),
    "task_service_stream_events_total": Family("counter", "Events sent to streams."),
    "task_service_streams_ended_total": Family(
        "counter",
        "Ended streams by reason; `unread`: the client did not read.",
        ("reason",),
    ),
    "task_service_tokens_total": Family(
        "counter",
        "Requests by the outcome of their bearer token, and why it was refused.",
        ("outcome", "reason"),
    ),
    "task_service_key_set_age_seconds": Family(
        "greatest", "Seconds since the issuer's keys were last fetched (JWKS_URL)."
    ),
    "task_service_log_lines_dropped_total": Family(
        "counter", "Log lines dropped because nothing read them in time."
    ),
    "process_cpu_seconds_total": Family("counter", "Processor time used, by all processes."),
    "process_resident_memory_bytes": Family("gauge", "Resident memory of all processes."),
    "process_open_fds": Family("gauge", "Open files and sockets, of all processes."),
}


class Histogram:
    """Counts by bucket."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one. A value equal to a bound falls below it, as in Prometheus (`le`)."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def measured(self) -> Measured:
        """Return the counts so far."""
        return Measured(self._counts.copy(), self._sum)


class Statements:
    """The runs of one statement: seconds and rows."""

    __slots__ = ("_counts", "_seconds", "rows")

    def __init__(self) -> None:
        self._counts = [0] * (len(STATEMENT_SECONDS) + 1)
        self._seconds = 0.0
        self.rows = 0

    def ran(self, seconds: float, rows: int) -> None:
        """Count one run."""
        self._counts[bisect_left(STATEMENT_SECONDS, seconds)] += 1
        self._seconds += seconds
        self.rows += rows

    def measured(self) -> Measured:
        """Return the counts so far."""
        return Measured(self._counts.copy(), self._seconds)


class Metrics:
    """The counts of one process. `gauges` reads the gauges at each scrape."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, str, int], Histogram] = defaultdict(
            lambda: Histogram(REQUEST_SECONDS)
        )
        """Durations by method, route and status, which is left out when they are read."""
        self.turned_away: Counter[str] = Counter()
        self.acquired = Histogram(ACQUIRE_SECONDS)
        self.statements: defaultdict[str, Statements] = defaultdict(Statements)
        self.errors: Counter[Labels] = Counter()
        self.tokens: Counter[Labels] = Counter()
        self.gauges: Callable[[], Snapshot] = dict

    def snapshot(self) -> Snapshot:
        """Return all values. Safe in another thread: each line copies atomically, without locks."""
        statements = dict(self.statements)
        requests = {labels: seen.measured() for labels, seen in dict(self.requests).items()}
        durations: dict[Labels, Measured] = {}
        for (method, route, _), measured in requests.items():
            before = durations.get((method, route))
            durations[method, route] = measured if before is None else before.plus(measured)
        counted: dict[str, Mapping[Labels, Value]] = {
            "task_service_http_requests_total": {
                (method, route, str(status)): sum(measured.counts)
                for (method, route, status), measured in requests.items()
            },
            "task_service_http_request_duration_seconds": durations,
            "task_service_http_requests_turned_away_total": _labelled(self.turned_away),
            "task_service_db_acquire_seconds": {(): self.acquired.measured()},
            "task_service_db_statement_seconds": {
                (name,): runs.measured() for name, runs in statements.items()
            },
            "task_service_db_statement_rows_total": {
                (name,): runs.rows for name, runs in statements.items()
            },
            "task_service_db_statement_errors_total": dict(self.errors),
            "task_service_tokens_total": dict(self.tokens),
        }
        return {**counted, **self.gauges()}


def _labelled(counts: Mapping[str, float]) -> dict[Labels, Value]:
    return {(label,): count for label, count in dict(counts).items()}
