"""Log lines: one an event, each with its request's id, without secrets."""

import json
import logging
import re
import sys

import httpx
import pytest

from service.auth.tokens import sign
from service.db.deadline import current
from service.db.errors import QueryFailed
from service.db.queries import Queries
from service.ops.logs import JsonLines, TextLines, configure, without_tokens
from service.settings import LogSettings, Settings
from tests.conftest import SECRET, User, client_of, started
from tests.dispatching import exchange_of
from tests.ops.conftest import Recorder


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("service", logging.INFO, __file__, 1, message, (), None)
    made.__dict__.update(extra)
    return made


def test_a_json_line_has_time_level_message_and_request_id() -> None:
    """A JSON line has time, level, logger, message and request id, and the fields beside them."""
    token = current.set(exchange_of([(b"x-request-id", b"request-1")]))
    line = JsonLines().format(record('a "quoted"\nmessage', fields={"status": 200}))
    current.reset(token)
    assert "\n" not in line
    document = json.loads(line)
    assert document.pop("time").endswith("Z")
    assert document == {
        "level": "info",
        "logger": "service",
        "message": 'a "quoted"\nmessage',
        "request_id": "request-1",
        "status": 200,
    }


def test_text_lines_stay_one_line() -> None:
    """A message cannot start a line of its own, nor steer the terminal."""
    line = TextLines().format(record("a\nb \x1b[31m red", fields={"status": 200}))
    assert line.endswith(r"service [-] a\nb \x1b[31m red status=200")


@pytest.mark.parametrize("formatter", [JsonLines(), TextLines()])
def test_a_traceback_is_kept(formatter: logging.Formatter) -> None:
    """An exception is logged with its traceback."""
    try:
        raise ValueError("broken")
    except ValueError:
        line = formatter.format(record("fault", exc_info=sys.exc_info()))
    assert "ValueError: broken" in line


async def test_each_request_has_one_line(alice: User, stderr: Recorder) -> None:
    """Each request has one line: method, route, status, milliseconds, outcome, and its statements
    with theirs.
    """
    await alice.call(
        "POST", json={"title": "a secret title"}, headers={"X-Request-Id": "request-1"}
    )
    line, *others = stderr.documents
    assert others == []
    assert line.pop("time").endswith("Z")
    duration = line.pop("duration_ms")
    for statement in line["statements"]:
        assert 0 < statement.pop("ms") <= duration < 60_000
        assert statement.pop("wait_ms") >= 0
    assert line == {
        "level": "info",
        "logger": "service.access",
        "message": "POST /api/v1/users/{user_id}/tasks 201",
        "request_id": "request-1",
        "method": "POST",
        "route": "/api/v1/users/{user_id}/tasks",
        "status": 201,
        "outcome": "ok",
        "statements": [
            {"name": "BEGIN", "rows": 0},
            {"name": "owners/lock_create", "rows": 1},
            {"name": "tasks/create", "rows": 1},
            {"name": "COMMIT", "rows": 0},
        ],
    }


async def test_many_statements_are_summed_up_by_name(alice: User, stderr: Recorder) -> None:
    """A line has room for a number of statements; beyond it those of one name are summed up."""
    operations = [{"op": "create", "task": {"title": "a"}}] * 100
    await alice.call("POST", "/batch", json={"operations": operations})
    [line] = stderr.lines
    statements = json.loads(line)["statements"]
    for statement in statements:
        assert 0 < statement.pop("ms") < 60_000
        assert statement.pop("wait_ms") >= 0
    assert statements == [
        {"name": "BEGIN", "rows": 0},
        {"name": "owners/lock_create", "rows": 1},
        {"name": "tasks/create", "rows": 100, "tries": 100},
        {"name": "COMMIT", "rows": 0},
    ]


async def test_nothing_that_clients_send_is_logged(alice: User, stderr: Recorder) -> None:
    """Neither path, query, token, body nor header is in the lines, except the request's id."""
    await alice.call("POST", json={"title": "a secret title"}, headers={"User-Agent": "Agent/1.0"})
    await alice.call("GET", params={"offset": "77077"})
    logged = b"".join(stderr.lines).decode()
    for brought in (
        "a secret title",
        "77077",
        SECRET,
        alice.headers["Authorization"][-40:],
        "alice",
        "Agent/1.0",
    ):
        assert brought not in logged


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("/nowhere", "not-found"),
        ("/api/v1/auth/session", "not-authenticated"),
        ("/problems/not-found", "ok"),
    ],
)
async def test_the_outcome_names_the_problem(
    client: httpx.AsyncClient, stderr: Recorder, path: str, outcome: str
) -> None:
    """The outcome names the problem that was the answer."""
    await client.get(path)
    assert stderr.documents[0]["outcome"] == outcome


async def test_the_line_says_why_a_token_was_refused(
    client: httpx.AsyncClient, stderr: Recorder
) -> None:
    """The line of a request whose token was refused has the reason; other lines have none."""
    for authorization in ("Bearer x", f"Bearer {sign('x' * 32, 'alice', ttl=60)}", "Basic YTpi"):
        await client.get("/api/v1/auth/session", headers={"Authorization": authorization})
    assert [line.get("token") for line in stderr.documents] == ["form", "signature", None]


async def test_a_valid_traceparent_is_logged(client: httpx.AsyncClient, stderr: Recorder) -> None:
    """A request with a valid `traceparent` (W3C Trace Context) has the trace's id in its line; one
    with an invalid header has not.
    """
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await client.get("/", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    await client.get("/", headers={"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"})
    await client.get("/", headers={"traceparent": "injected"})
    assert [line.get("trace_id") for line in stderr.documents] == [trace, None, None]


@pytest.mark.parametrize(
    ("level", "logged"), [("debug", 4), ("info", 3), ("warning", 1), ("error", 0)]
)
async def test_each_kind_of_request_has_its_level(
    settings: Settings, stderr: Recorder, monkeypatch: pytest.MonkeyPatch, level: str, logged: int
) -> None:
    """Probes are debug lines, faults of the service and of the database warnings, all
    others info.
    """

    async def fail(*_: object, **__: object) -> None:
        raise QueryFailed("tasks/list", "57P01")

    async with (
        started(settings.model_copy(update={"log_level": level})) as app,
        client_of(app) as client,
    ):
        await client.get("/livez")
        await client.get("/")
        await client.get("/nowhere")
        monkeypatch.setattr(Queries, "many", fail)
        await User(client, "alice").call("GET")
    assert len(stderr.lines) == logged


async def test_debug_lines_have_the_path_without_tokens(
    settings: Settings, stderr: Recorder
) -> None:
    """With LOG_LEVEL=debug the line has the path, without anything that looks like a token."""
    async with (
        started(settings.model_copy(update={"log_level": "debug"})) as app,
        client_of(app) as client,
    ):
        await client.get("/prefix/api/v1")
        await client.get(f"/session/{sign(SECRET, 'alice', ttl=60)}/me")
    assert [line["path"] for line in stderr.documents] == ["/prefix/api/v1", "/session/(token)/me"]


async def test_a_slow_statement_is_a_warning_without_values(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A statement that took longer than SLOW_STATEMENT is a warning that names it and its times,
    and no value.
    """
    async with (
        started(settings.model_copy(update={"slow_statement": 1e-9})) as app,
        client_of(app) as client,
    ):
        await User(client, "alice").create("a secret title")
    record = next(
        record for record in caplog.records if record.message == "slow statement: tasks/create"
    )
    line = JsonLines().format(record)
    assert record.levelname == "WARNING"
    assert json.loads(line)["statement"].keys() == {"name", "wait_ms", "ms", "rows"}
    assert "a secret title" not in line


async def test_text_format_is_readable_and_coloured_on_a_terminal(
    settings: Settings, stderr: Recorder
) -> None:
    """LOG_FORMAT=text writes readable lines, in colour only on a terminal."""
    async with (
        started(settings.model_copy(update={"log_format": "text"})) as app,
        client_of(app) as client,
    ):
        await client.get("/api/v1/auth/session", headers={"Authorization": "Bearer x"})
        await User(client, "alice").tasks()
    refused, line = [line.decode() for line in stderr.lines[-2:]]
    assert " 401 not-authenticated (token: form) " in refused
    assert re.fullmatch(
        r"\S+Z INFO    service.access \[\S+\] GET /api/v1/users/{user_id}/tasks 200 ok \d+\.\d ms,"
        r" tasks/list \d+\.\d ms\n",
        line,
    )


@pytest.mark.parametrize(
    ("terminal", "variables", "coloured"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (False, {}, False),
    ],
)
def test_no_color_turns_colours_off(
    monkeypatch: pytest.MonkeyPatch,
    stderr: Recorder,
    *,
    terminal: bool,
    variables: dict[str, str],
    coloured: bool,
) -> None:
    """Warnings are coloured on a terminal, unless NO_COLOR is set."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    configure(LogSettings(log_format="text"))
    logging.getLogger("service").warning("look here")
    assert (b"\x1b[33m" in stderr.lines[0]) is coloured
    assert b"look here" in stderr.lines[0]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/a/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln/b", "/a/(token)/b"),
        ("/a/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0", "/a/(token)"),
        ("/xeyJhbGci.eyJzdWIi.", "/(token)"),
        ("/docs/swagger-ui.css", "/docs/swagger-ui.css"),
        ("/v1.eyJustAWord", "/v1.eyJustAWord"),
        ("/" + "eyJ" * 100, "/" + "eyJ" * 100),
    ],
)
def test_tokens_in_paths_are_masked(path: str, shown: str) -> None:
    """What looks like a token is removed from a path; the rest stays."""
    assert without_tokens(path) == shown


def test_line_ends_and_control_characters_are_escaped() -> None:
    """Characters that some readers take for the end of a line, or for a command, are escaped, and
    read back.
    """
    message = "a\u2028b\u2029c\x85d\x9be\x7ff\u0100"
    line = JsonLines().format(record(message))
    assert not set(line) & set("\u2028\u2029\x85\x9b\x7f")
    assert json.loads(line)["message"] == message
