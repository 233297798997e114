"""Log lines: one an event, each with its request's id, nothing secret in them."""

import json
import logging
import sys

import pytest

from service.ops.logs import JsonLines, TextLines
from service.web.context import request_id
from tests.conftest import SECRET, User


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("service", logging.INFO, __file__, 1, message, (), None)
    made.__dict__.update(extra)
    return made


def test_json_lines() -> None:
    """A JSON line has time, level, logger, message and request id, and the fields beside them."""
    token = request_id.set("request-1")
    line = JsonLines().format(record('a "quoted"\nmessage', fields={"status": 200}))
    request_id.reset(token)
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
    """A fault is logged with its traceback."""
    try:
        raise ValueError("broken")
    except ValueError:
        line = formatter.format(record("fault", exc_info=sys.exc_info()))
    assert "ValueError: broken" in line


async def test_access_lines(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    """Each request has one line with method, route, status and milliseconds, and no token, title or query in it."""
    caplog.set_level(logging.INFO, "service.access")
    await alice.call("POST", json={"title": "a secret title"}, headers={"X-Request-Id": "request-1"})
    await alice.call("GET", params={"offset": "77077"})
    lines = [entry for entry in caplog.records if entry.name == "service.access"]
    fields = [entry.__dict__["fields"] for entry in lines]
    assert [(entry["method"], entry["route"], entry["status"]) for entry in fields] == [
        ("POST", "/api/v1/users/{user_id}/tasks", 201),
        ("GET", "/api/v1/users/{user_id}/tasks", 200),
    ]
    assert all(0 < entry["duration_ms"] < 60_000 for entry in fields)
    logged = "".join(map(JsonLines().format, lines))
    for secret in ("a secret title", "77077", SECRET, alice.headers["Authorization"][-40:]):
        assert secret not in logged
