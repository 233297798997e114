"""Make spans of requests and of their statements. Importing this needs OpenTelemetry: see
traces.py.
"""

import time
from collections.abc import Iterable

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..db.queries import Call

_PROPAGATED = frozenset({b"traceparent", b"tracestate"})


class Traces:
    """Makes spans of requests."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, headers: Iterable[tuple[bytes, bytes]], began: float) -> "RequestSpan":
        """Return the span of a request that began at `began`, in the trace of its `traceparent`, if
        it has one.
        """
        brought = {
            name.decode(): value.decode("latin-1") for name, value in headers if name in _PROPAGATED
        }
        return RequestSpan(self._tracer, self._propagator.extract(brought), began)


class RequestSpan:
    """The span of a running request. Times are seconds of `time.perf_counter`."""

    def __init__(self, tracer: Tracer, parent: Context, began: float) -> None:
        self._tracer = tracer
        self._offset = time.time_ns() - time.perf_counter_ns()
        self._span = tracer.start_span(
            "request", parent, SpanKind.SERVER, start_time=self._epoch(began)
        )
        context = self._span.get_span_context()
        self.trace_id = f"{context.trace_id:032x}"
        self.response = (
            f"00-{self.trace_id}-{context.span_id:016x}-{context.trace_flags:02x}".encode()
        )
        """The value of the header `traceresponse` (W3C Trace Context, level 2)."""

    def end(self, method: str, route: str, status: int, calls: Iterable[Call]) -> None:
        """End the request's span, with spans of these statements."""
        span = self._span
        if span.is_recording():
            within = set_span_in_context(span)
            for call in calls:
                self._statement(within, call)
            span.update_name(f"{method} {route}")
            span.set_attributes(
                {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": status,
                }
            )
            if status >= 500:
                span.set_attribute("error.type", str(status))
                span.set_status(StatusCode.ERROR)
        span.end()

    def _statement(self, within: Context, call: Call) -> None:
        """Make the spans of a wait for a connection and of the statement."""
        wait = self._tracer.start_span("acquire", within, start_time=self._epoch(call.began))
        wait.end(self._epoch(call.acquired))
        if call.acquired == call.ended:
            return
        about: dict[str, str | int] = {
            "db.system.name": "postgresql",
            "db.query.summary": call.name,
            "db.response.returned_rows": call.rows,
        }
        if call.sqlstate:
            about |= {"db.response.status_code": call.sqlstate, "error.type": call.sqlstate}
        span = self._tracer.start_span(
            call.name, within, SpanKind.CLIENT, about, start_time=self._epoch(call.acquired)
        )
        if call.sqlstate:
            span.set_status(StatusCode.ERROR)
        span.end(self._epoch(call.ended))

    def _epoch(self, seconds: float) -> int:
        """Return nanoseconds since the epoch."""
        return int(seconds * 1e9) + self._offset
