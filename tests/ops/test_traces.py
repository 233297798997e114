"""Traces: a request's spans, their trace, and their export."""

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import asyncpg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import SecretStr

from service.ops import traces
from service.settings import Settings, SettingsError
from tests.conftest import User, client_of, started
from tests.ops.conftest import Recorder

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
LIST = "/api/v1/users/{user_id}/tasks"


class Exported:
    """The spans of requests, once the application has ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order of their beginnings."""
        return sorted(
            self._exporter.get_finished_spans(),
            key=lambda span: (span.start_time or 0, span.kind != SpanKind.SERVER),
        )


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> Exported:
    """Traces are on, and kept."""
    exporter = InMemorySpanExporter()
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "memory")
    monkeypatch.setattr(traces, "exporters", lambda: [exporter])
    return Exported(exporter)


async def test_a_request_has_spans_for_itself_the_wait_and_the_statement(
    settings: Settings, exported: Exported
) -> None:
    """A request's span has the method, the route and the status, and in it lie the wait for a
    connection and the statement.
    """
    async with started(settings) as app, client_of(app) as client:
        await User(client, "alice").tasks()
    request, wait, statement = exported.spans
    assert (request.name, request.kind) == (f"GET {LIST}", SpanKind.SERVER)
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": LIST,
        "http.response.status_code": 200,
    }
    assert (wait.name, wait.kind) == ("acquire", SpanKind.INTERNAL)
    assert (statement.name, statement.kind) == ("tasks/list", SpanKind.CLIENT)
    assert dict(statement.attributes or {}) == {
        "db.system.name": "postgresql",
        "db.query.summary": "tasks/list",
        "db.response.returned_rows": 0,
    }
    for inner in (wait, statement):
        assert inner.parent is not None
        assert request.context is not None
        assert inner.parent.span_id == request.context.span_id
        assert request.start_time <= inner.start_time <= inner.end_time <= request.end_time  # type: ignore[operator]
    assert dict(request.resource.attributes)["service.name"] == "task-service"


async def test_spans_have_no_values(settings: Settings, exported: Exported) -> None:
    """Neither ids, tokens, bodies, queries nor texts of statements are in any span."""
    async with started(settings) as app, client_of(app) as client:
        alice = User(client, "alice")
        task = await alice.create("a secret title")
        await alice.call("GET", f"/{task['id']}", params={"hidden": "77077"})
    told = "".join(span.to_json() for span in exported.spans)
    for value in ("alice", task["id"], "a secret title", "77077", "eyJ", "SELECT"):
        assert value not in told


async def test_a_request_joins_its_callers_trace(
    settings: Settings, exported: Exported, stderr: Recorder
) -> None:
    """A request with a `traceparent` belongs to its trace: the span, the `traceresponse` header and
    the log line have its id.
    """
    async with started(settings) as app, client_of(app) as client:
        answer = await client.get("/", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    [span] = exported.spans
    assert span.context is not None
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert answer.headers["traceresponse"] == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert stderr.documents[-1]["trace_id"] == TRACE


async def test_a_request_without_a_trace_begins_one(
    settings: Settings, exported: Exported, stderr: Recorder
) -> None:
    """A request without a trace, or with a malformed one, begins one."""
    async with started(settings) as app, client_of(app) as client:
        for headers in ({}, {"traceparent": "injected"}):
            await client.get("/", headers=headers)
    lines = [line["trace_id"] for line in stderr.documents if line["logger"] == "service.access"]
    assert [f"{span.context.trace_id:032x}" for span in exported.spans if span.context] == lines
    assert [span.parent for span in exported.spans] == [None, None]


async def test_an_unsampled_trace_is_not_recorded(settings: Settings, exported: Exported) -> None:
    """With the default sampler, a trace that its caller does not sample is not recorded here."""
    async with started(settings) as app, client_of(app) as client:
        answer = await client.get("/", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert exported.spans == []
    assert answer.headers["traceresponse"].startswith(f"00-{TRACE}-")


async def test_failed_statements_and_5xx_are_error_spans(
    settings: Settings, exported: Exported, connection: asyncpg.Connection
) -> None:
    """A statement that fails, and a request that ends in 5xx, are spans of a failure with its
    code.
    """
    await connection.execute("ALTER TABLE tasks RENAME TO elsewhere")
    async with started(settings) as app, client_of(app) as client:
        await User(client, "alice").call("GET")
    request, _, statement = exported.spans
    for span, code in ((request, "500"), (statement, "42P01")):
        assert span.status.status_code == StatusCode.ERROR
        assert (span.attributes or {})["error.type"] == code
        assert span.events == ()


async def test_without_a_connection_there_is_a_span_for_the_wait_alone(
    settings: Settings, exported: Exported
) -> None:
    """Without an available connection there is a span for the wait and none for a statement."""
    away = settings.model_copy(
        update={
            "database_url": SecretStr("postgresql://service@127.0.0.1:1/nothing?sslmode=disable")
        }
    )
    async with (
        started(away.model_copy(update={"request_timeout": 0.3})) as app,
        client_of(app) as client,
    ):
        assert (await User(client, "alice").call("GET")).status_code == 503
    assert {span.name for span in exported.spans} == {f"GET {LIST}", "acquire"}


class Collector:
    """An OTLP collector, as far as one test needs it."""

    def __init__(self) -> None:
        received = self.received = list[tuple[str, bytes]]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


async def test_an_endpoint_alone_exports_spans_before_exit(
    settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_EXPORTER_OTLP_ENDPOINT alone sends the spans there, with the resource of the
    environment, before the end.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "my-tasks")
    async with started(settings) as app, client_of(app) as client:
        await User(client, "alice").tasks()
    [(path, body)] = collector.received
    [spans] = ExportTraceServiceRequest.FromString(body).resource_spans
    assert path == "/v1/traces"
    assert {span.name for scope in spans.scope_spans for span in scope.spans} == {
        f"GET {LIST}",
        "acquire",
        "tasks/list",
    }
    assert {pair.key: pair.value.string_value for pair in spans.resource.attributes}[
        "service.name"
    ] == "my-tasks"


async def test_a_missing_collector_fails_no_request_and_bounds_the_exit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that does not answer harms no request, and the end does not wait for it longer
    than it may.
    """
    monkeypatch.setattr(traces, "LAST_SPANS", 0.1)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    async with started(settings) as app, client_of(app) as client:
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a/v1/traces"}, True),
    ],
)
def test_an_exporter_or_endpoint_turns_traces_on(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, on: bool
) -> None:
    """Traces are on when an exporter or an endpoint is named, and nothing says that they are
    off.
    """
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert traces.wanted() is on


async def test_an_unknown_exporter_ends_the_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exporter that is not installed ends the start with a message."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp, zipkin")
    with pytest.raises(
        SettingsError, match="OTEL_TRACES_EXPORTER: no such exporter is installed: zipkin"
    ):
        async with started(settings):
            pass


async def test_without_opentelemetry_its_variables_are_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without OpenTelemetry installed, its variables cause a warning and the service starts."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    async with started(settings) as app, client_of(app) as client:
        answer = await client.get("/")
    assert answer.status_code == 200
    assert "traceresponse" not in answer.headers
    assert "not installed" in caplog.text
