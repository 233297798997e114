"""Requests that never reach the application get problems that pages may read."""

import json

import pytest

from service.server.framing import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES
from service.settings import Settings
from tests.conftest import started
from tests.server.bounded import connected, served, until_end

HEAD = b"POST / HTTP/1.1\r\nHost: service\r\n"
ORIGIN = b"Origin: https://app.example\r\n"
ROWS = {
    "two hosts": (400, HEAD + b"Host: other\r\n" + ORIGIN + b"\r\n"),
    "an unsound header behind": (400, HEAD + ORIGIN + b"X: 1\r\nY y: 1\r\n\r\n"),
    "half a head": (408, HEAD + ORIGIN + b"X: 1\r\nY: "),
    "half a body": (408, HEAD + ORIGIN + b"Content-Length: 10\r\n\r\n12345"),
    "a large body": (413, HEAD + ORIGIN + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)),
    "a large body in chunks": (
        413,
        HEAD
        + ORIGIN
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n" % (MAX_BODY_BYTES + 1)
        + bytes(MAX_BODY_BYTES + 1),
    ),
    "a long target": (
        414,
        b"GET /%b HTTP/1.1\r\nHost: service\r\n%b\r\n" % (b"a" * MAX_TARGET_BYTES, ORIGIN),
    ),
    "an expectation": (417, HEAD + ORIGIN + b"Expect: more\r\n\r\n"),
    "another host": (421, b"GET / HTTP/1.0\r\nHost: elsewhere\r\n" + ORIGIN + b"\r\n"),
    "many headers": (431, HEAD + b"A: 1\r\n" * MAX_HEADERS + ORIGIN + b"\r\n"),
    "a large header": (431, HEAD + ORIGIN + b"Cookie: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n"),
}


@pytest.mark.parametrize(("status", "sent"), ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("known", [True, False])
async def test_early_refusals_have_cors_and_security_headers(
    settings: Settings, *, status: int, sent: bytes, known: bool
) -> None:
    """A refusal of the lowest layer has the CORS headers of any other answer, for known origins,
    and the security headers.
    """
    given = settings.model_copy(
        update={
            "cors_origins": ("https://app.example" if known else "https://other.example",),
            "allowed_hosts": ("service",),
            "root_path": "/todo",
        }
    )
    async with (
        started(given) as app,
        served(app, head_timeout=0.1, body_timeout=0.1, refusals=app.refusals) as port,
        connected(port, sent) as (reader, _),
    ):
        head, _, body = (await until_end(reader)).partition(b"\r\n\r\n")
    start, *lines = head.decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert int(start.split()[1]) == status
    assert json.loads(body)["status"] == status
    assert json.loads(body)["type"].startswith("/todo/problems/")
    assert headers["content-type"] == "application/problem+json"
    assert headers.get("access-control-allow-origin") == ("https://app.example" if known else None)
    assert "x-request-id" in headers["access-control-expose-headers"]
    assert headers["vary"] == "origin"
    assert headers["x-content-type-options"] == "nosniff"
