"""The layers around the routes: request ids, a response to everything, CORS."""

import re
from uuid import UUID

import httpx
import pytest

from service.db.queries import Queries
from service.settings import Settings
from tests.conftest import User, client_of, started

ORIGIN = "http://localhost:3000"


async def test_every_answer_has_an_id_of_its_own(client: httpx.AsyncClient) -> None:
    """Good answers and problems alike carry X-Request-Id, a different one each time."""
    answers = [
        await client.get(path) for path in ("/livez", "/livez", "/nowhere", "/api/v1/auth/session")
    ]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len({UUID(id) for id in ids}) == 4


async def test_a_problem_names_its_request(client: httpx.AsyncClient) -> None:
    """A problem's `instance` is the id in X-Request-Id."""
    response = await client.get("/nowhere", headers={"X-Request-Id": "my-request.1"})
    assert response.headers["X-Request-Id"] == response.json()["instance"] == "my-request.1"


@pytest.mark.parametrize(
    "id",
    [
        "short",
        "x" * 65,
        "has space in it",
        'quote"quote',
        "semi;colon",
        "new\x0bline",
        "ünïcödé",
        "<script>",
        "",
    ],
)
async def test_a_harmful_request_id_is_replaced(client: httpx.AsyncClient, id: str) -> None:
    """An id that could confuse a log or a page is replaced by one of ours."""
    response = await client.get("/livez", headers=[(b"X-Request-Id", id.encode())])
    assert UUID(response.headers["X-Request-Id"]).version == 7


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nowhere", 404, None),
        ("GET", "/api/v1/users/alice/tasks/", 404, None),
        ("GET", "/api/v1/users//tasks", 404, None),
        ("GET", "/api/v1/users/a%2Fb/tasks", 401, None),
        ("GET", "/%00", 404, None),
        ("GET", "/..%2f..%2fetc/passwd", 404, None),
        ("PUT", "/livez", 405, "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/v1/users/alice/tasks", 405, "GET, HEAD, OPTIONS, POST"),
        ("POST", "/api/v1/users/alice/tasks/1", 405, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("BREW", "/api/v1/auth/session", 405, "GET, HEAD, OPTIONS"),
    ],
)
async def test_unknown_paths_and_methods_are_problems(
    client: httpx.AsyncClient, method: str, path: str, status: int, allow: str | None
) -> None:
    """Unknown paths and methods are problems like all others; 405 lists the methods."""
    response = await client.request(method, path)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json().keys() == {"type", "title", "status", "detail", "instance"}
    assert response.json()["status"] == status
    given = response.headers.get("Allow")
    assert (given and ", ".join(sorted(given.split(", ")))) == allow


async def test_an_unexpected_exception_is_a_plain_500_and_logged(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception is a 500 without details, CORS and id included, and is logged with
    its traceback.
    """

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(Queries, "many", fail)
    async with started(settings) as app, client_of(app) as client:
        response = await User(client, "alice").call(
            "GET", headers={"Origin": ORIGIN, "X-Request-Id": "request-1"}
        )
    assert (response.status_code, response.json()) == (
        500,
        {
            "type": "/problems/internal-error",
            "title": "Internal error",
            "status": 500,
            "detail": "Internal error",
            "instance": "request-1",
        },
    )
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "secret inside" in caplog.text


async def test_a_known_origins_preflight_allows_the_contracts_methods(
    client: httpx.AsyncClient,
) -> None:
    """A known origin may send the methods, headers and credentials of the contract."""
    response = await client.options(
        "/api/v1/users/alice/tasks",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization, content-type",
        },
    )
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert {"GET", "POST", "PATCH", "DELETE"} <= set(
        re.split(", ?", response.headers["Access-Control-Allow-Methods"])
    )


@pytest.mark.parametrize(
    "names",
    [
        "traceparent",
        "tracestate, traceparent",
        "baggage, sentry-trace",
        "authorization,if-match,x-datadog-trace-id",
        "x-requested-with",
    ],
)
async def test_a_preflight_may_ask_for_any_header(client: httpx.AsyncClient, names: str) -> None:
    """A known origin may send any header: those of tracing libraries come with every request."""
    response = await client.options(
        "/api/v1/users/alice/tasks",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": names,
            "Access-Control-Request-Private-Network": "true",
        },
    )
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Headers"] == names
    assert response.headers["Access-Control-Allow-Private-Network"] == "true"


async def test_an_unknown_origins_preflight_is_refused(client: httpx.AsyncClient) -> None:
    """A preflight from an unknown origin is refused as a problem, and allows nothing."""
    response = await client.options(
        "/api/v1/users/alice/tasks",
        headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "GET"},
    )
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert "Access-Control-Allow-Origin" not in response.headers
    assert "Origin" in response.headers["Vary"]


async def test_only_a_known_origin_may_read_answers(alice: User) -> None:
    """A known origin may read answers and the headers that matter, of errors too; an unknown one
    may not.
    """
    for path, status in (("", 200), ("/nonsense", 422)):
        known = await alice.call("GET", path, headers={"Origin": ORIGIN})
        assert known.status_code == status
        assert known.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert {"Location", "X-Request-Id", "Retry-After", "Traceresponse"} <= set(
            known.headers["Access-Control-Expose-Headers"].split(", ")
        )
        stranger = await alice.call("GET", path, headers={"Origin": "http://evil.example"})
        assert "Access-Control-Allow-Origin" not in stranger.headers
