"""Routing: HEAD, OPTIONS, 406, and no handler without an Operation."""

from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from service.app import routes
from service.contract.endpoint import Endpoint
from tests.conftest import User

OPEN = [
    "/",
    "/health",
    "/livez",
    "/readyz",
    "/docs",
    "/docs/docs.css",
    "/openapi.json",
    "/problems",
    "/problems/not-found",
]


def test_a_handler_without_an_operation_stops_the_start() -> None:
    """A handler that the contract does not know stops the start."""

    async def handler(request: Request) -> Response:
        return Response()

    with pytest.raises(LookupError, match="handler has no Operation above it"):
        Endpoint("/", GET=handler)


def test_every_path_served_is_in_the_contract() -> None:
    """No path is served outside the contract."""
    assert all(type(route) is Endpoint and route.operations for route in routes())


@pytest.mark.parametrize("path", OPEN)
async def test_head_answers_as_get_without_a_body(client: httpx.AsyncClient, path: str) -> None:
    """HEAD answers with GET's status and headers."""
    get, head = await client.get(path), await client.head(path)
    assert head.status_code == get.status_code == 200
    # Without its body: over a socket the server leaves it out.
    different = {"x-request-id", "date"}
    assert {k: v for k, v in head.headers.items() if k not in different} == {
        k: v for k, v in get.headers.items() if k not in different
    }


async def test_head_works_on_lists_and_tasks(alice: User) -> None:
    """HEAD works on the list and on a task, and is 404 where GET is."""
    task = await alice.create()
    assert (await alice.call("HEAD")).status_code == 200
    assert (await alice.call("HEAD", f"/{task['id']}")).status_code == 200
    await alice.call("DELETE", f"/{task['id']}")
    assert (await alice.call("HEAD", f"/{task['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("path", "allow", "patch"),
    [
        ("/livez", "GET, HEAD, OPTIONS", None),
        ("/api/v1/users/alice/tasks", "GET, HEAD, OPTIONS, POST", None),
        (
            "/api/v1/users/alice/tasks/1",
            "DELETE, GET, HEAD, OPTIONS, PATCH, PUT",
            "application/merge-patch+json, application/json",
        ),
    ],
)
async def test_options_lists_methods_and_reveals_no_tasks(
    client: httpx.AsyncClient, path: str, allow: str, patch: str | None
) -> None:
    """OPTIONS lists the methods and the patch formats, and reveals nothing about who has which
    tasks.
    """
    response = await client.options(path)
    assert (response.status_code, response.content) == (204, b"")
    assert (response.headers["Allow"], response.headers.get("Accept-Patch")) == (allow, patch)


@pytest.mark.parametrize(
    "subject",
    [
        "spiffe://example.org/ns/default/sa/app",
        "repo:octo/app:ref:refs/heads/main",
        "/",
        "a%2Fb",
        "50% + ü ;?#",
        "\U0001f600",
    ],
)
async def test_links_work_for_any_user_id(user: Callable[[str], User], subject: str) -> None:
    """Whatever characters a user id has, its tasks can be reached, and `Location` and `Link` can be
    called as they are.
    """
    caller = user(subject)
    key = {"Idempotency-Key": "1"}
    for headers in ({}, key, key):
        made = await caller.call("POST", headers=headers, json={"title": "Buy milk"})
        assert made.status_code == 201, made.text
        assert (await caller.call("GET", made.headers["Location"])).json() == made.json()
    placed = f"{caller.path}/{uuid4()}"
    assert (await caller.call("PUT", placed, json={"title": "a"})).headers["Location"] == placed
    page = await caller.call("GET", params={"limit": 2})
    following, first = [link.split(">")[0][1:] for link in page.headers["Link"].split(", ")]
    assert len((await caller.call("GET", following)).json()["items"]) == 1
    assert (await caller.call("GET", first)).json() == page.json()
    assert (await caller.call("GET", f"{caller.home}/changes")).status_code == 200


async def test_a_slash_in_a_user_id_reaches_no_other_path(
    user: Callable[[str], User],
) -> None:
    """`a/tasks` and `a` are two users, and neither's path is the other's."""
    outer, inner = user("a"), user("a/tasks")
    await inner.create()
    assert (await outer.tasks())["total"] == 0
    assert (await outer.call("GET", inner.path)).status_code == 404
    assert (await inner.call("GET", outer.path)).status_code == 404


async def test_an_unacceptable_format_is_406_and_changes_nothing(
    alice: User, bob: User, client: httpx.AsyncClient
) -> None:
    """A client that accepts no available format gets 406 and changes nothing; on another user's
    path it learns nothing more.
    """
    headers = {"Accept": "text/html"}
    assert (await alice.call("GET", headers=headers)).status_code == 406
    assert (await alice.call("POST", headers=headers, json={"title": "a"})).status_code == 406
    assert (await alice.tasks())["total"] == 0
    assert (await alice.call("GET", bob.path, headers=headers)).status_code == 404
    assert (await client.get(alice.path, headers=headers)).status_code == 401
    assert (await client.get("/livez", headers={"Accept": "image/png"})).status_code == 406
    task = await alice.create()
    assert (await alice.call("DELETE", f"/{task['id']}", headers=headers)).status_code == 204


async def test_vary_names_what_the_answer_depends_on(
    alice: User, bob: User, client: httpx.AsyncClient
) -> None:
    """Answers that depend on the caller, problems too, vary by Authorization; all answers vary by
    Origin.
    """
    for response in (
        await alice.call("GET"),
        await alice.call("GET", bob.path),
        await client.get(alice.path),
    ):
        assert response.headers["Vary"] == "Authorization, Origin"
    assert (await client.get("/livez")).headers["Vary"] == "Origin"


async def test_every_answer_has_the_security_headers(
    alice: User, client: httpx.AsyncClient
) -> None:
    """Every answer, good or bad, keeps browsers from sniffing, framing, running and sending
    referrers.
    """
    for response in (
        await alice.call("GET"),
        await alice.call("GET", "/x"),
        await client.get("/no"),
        await client.options("/docs"),
    ):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert (
            response.headers["Content-Security-Policy"]
            == "default-src 'none'; frame-ancestors 'none'"
        )
    policy = (await client.get("/docs")).headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(
        policy.split("; ")
    )
