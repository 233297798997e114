"""Alice and Bob on every route: another user's resources are 404."""

import asyncio
from typing import Any

import httpx
import pytest

from service.app import routes
from service.auth.tokens import sign
from tests.conftest import SECRET, User

ROUTES = [
    *((method, "/tasks") for method in ("GET", "POST")),
    *((method, "/tasks/{id}") for method in ("GET", "PUT", "PATCH", "DELETE")),
    ("POST", "/tasks/{id}/complete"),
    ("POST", "/tasks/batch"),
    ("GET", "/trash"),
    ("DELETE", "/trash"),
    ("DELETE", "/trash/{id}"),
    ("POST", "/trash/{id}/restore"),
    ("DELETE", ""),
    ("GET", "/changes"),
    ("GET", "/changes/stream"),
]


def body(method: str) -> dict[str, Any]:
    return {"json": {"title": "stolen"}} if method in ("POST", "PUT", "PATCH") else {}


def same(response: httpx.Response) -> tuple[Any, ...]:
    """A response without what differs between any two: the request's id and the date."""
    document = {**response.json(), "instance": ""}
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in ("x-request-id", "date")
    }
    return response.status_code, document, headers


def test_every_route_below_a_user_is_tried() -> None:
    """The routes below a user, as the application has them, are the ones tried here."""
    owned = [route for route in routes() if "{user_id}" in route.path]
    below = {
        (method, route.path.removeprefix("/api/v1/users/{user_id}").replace("task_id", "id"))
        for route in owned
        for method in route.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    assert below == set(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_another_users_path_is_404_and_unchanged(
    alice: User, bob: User, method: str, path: str
) -> None:
    """With Bob's token, Alice's paths are 404 like those of a user who does not exist, and change
    nothing.
    """
    task = await alice.create()
    below = path.format(id=task["id"])
    response = await bob.call(method, alice.home + below, **body(method))
    nobodys = await bob.call(method, "/api/v1/users/nobody" + below, **body(method))
    assert same(response) == same(nobodys)
    assert response.status_code == 404
    assert (await alice.tasks())["items"] == [task]
    assert (await bob.tasks())["total"] == 0


@pytest.mark.parametrize(
    ("method", "path"), [route for route in ROUTES if "{id}" in route[1] and route[0] != "PUT"]
)
async def test_another_users_task_id_is_404_and_unchanged(
    alice: User, bob: User, method: str, path: str
) -> None:
    """Below Bob's own path, Alice's task id gets the response of a missing one, and changes
    nothing.
    """
    task = await alice.create()
    theirs = await bob.call(method, bob.home + path.format(id=task["id"]), **body(method))
    nobodys = await bob.call(
        method, bob.home + path.format(id="0190f0f0-0000-7000-8000-000000000000"), **body(method)
    )
    assert same(theirs) == same(nobodys)
    assert theirs.status_code == 404
    assert (await alice.tasks())["items"] == [task]


@pytest.mark.parametrize(
    "user_id", ["ALICE", "alice%20", "alic%C3%A9", "%61lice%00", "*", "%25", "bob%00"]
)
async def test_a_user_id_almost_equal_to_the_subject_is_404(alice: User, user_id: str) -> None:
    """A user id that is not to the letter the token's subject is 404 on every route."""
    task = await alice.create()
    statuses = {}
    async with asyncio.timeout(30):  # a stream, once opened, would not end
        for method, path in ROUTES:
            url = f"/api/v1/users/{user_id}{path.format(id=task['id'])}"
            response = await alice.call(method, url, **body(method))
            statuses[method, path] = response.status_code
    assert statuses == dict.fromkeys(ROUTES, 404)


async def test_without_a_token_every_route_is_401(alice: User, client: httpx.AsyncClient) -> None:
    """Without a token every route below a user is 401, whether the thing exists or not, and changes
    nothing.
    """
    task = await alice.create()
    answers = {}
    for method, path in ROUTES:
        url = alice.home + path.format(id=task["id"])
        response = await client.request(method, url, **body(method))
        answers[method, path] = (
            response.status_code,
            response.json()["detail"],
            response.headers["WWW-Authenticate"],
            (await alice.tasks())["items"],
        )
    assert answers == dict.fromkeys(ROUTES, (401, "Not authenticated", "Bearer", [task]))


async def test_token_path_form_and_row_are_checked_in_order(
    alice: User, bob: User, client: httpx.AsyncClient
) -> None:
    """Credentials come first, then whose path it is, then the request's form, then whether the row
    is there.
    """
    wrong = {"params": {"limit": "x"}, "content": b"{", "headers": {"Content-Type": "text/plain"}}
    nobody = await client.request("POST", f"{alice.path}?limit=x", content=b"{")
    assert nobody.status_code == 401
    expired = sign(SECRET, "alice", ttl=-60)
    late = await client.post(bob.path, headers={"Authorization": f"Bearer {expired}"}, content=b"{")
    assert (late.status_code, late.json()["detail"]) == (401, "Token has expired")
    assert (await alice.call("POST", bob.path, **wrong)).status_code == 404
    assert (await alice.call("PATCH", f"{bob.path}/nonsense", json={"nope": 1})).status_code == 404
    assert (await alice.call("PATCH", "/nonsense", json={"nope": 1})).status_code == 422
    absent = "0190f0f0-0000-7000-8000-000000000000"
    assert (await alice.call("PATCH", f"/{absent}", json={"nope": 1})).status_code == 422
    assert (await alice.call("PATCH", f"/{absent}", json={"title": "a"})).status_code == 404


async def test_two_owners_with_one_task_id_see_their_own(alice: User, bob: User) -> None:
    """Two owners may have the same id, which a put can bring about; each reads, changes and deletes
    only their own.
    """
    task = await alice.create("hers")
    path = f"/{task['id']}"
    put = await bob.call("PUT", path, json={"title": "his"})
    nobodys = await bob.call("PUT", "/0190f0f0-0000-7000-8000-000000000000", json={"title": "his"})
    assert put.status_code == nobodys.status_code == 201
    assert put.headers.keys() == nobodys.headers.keys()
    assert (await bob.call("GET", path)).json()["title"] == "his"
    await bob.call("PATCH", path, json={"completed": True})
    assert (await alice.call("GET", path)).json() == task
    assert (await bob.call("DELETE", path)).status_code == 204
    assert (await alice.tasks())["items"] == [task]
    assert [
        change["task"]
        for change in (await alice.call("GET", f"{alice.home}/changes")).json()["items"]
    ] == [task]


async def test_another_owners_key_is_no_repeat(alice: User, bob: User) -> None:
    """Bob's request with a key that Alice used is carried out for Bob, and is not answered with
    hers.
    """
    key = {"Idempotency-Key": "one"}
    hers = await alice.call("POST", json={"title": "a"}, headers=key)
    his = await bob.call("POST", json={"title": "a"}, headers=key)
    assert (his.status_code, his.json()["owner_id"]) == (201, "bob")
    assert "Idempotency-Replayed" not in his.headers
    assert hers.json()["id"] != his.json()["id"]


async def test_another_owners_sync_token_is_refused(alice: User, bob: User) -> None:
    """Alice's sync token is refused in Bob's feed, like a forged one."""
    since = (await alice.call("GET", f"{alice.home}/changes")).json()["next"]
    theirs = await bob.call("GET", f"{bob.home}/changes", params={"since": since})
    other = f"{'B' if since[0] == 'A' else 'A'}{since[1:]}"
    nobodys = await bob.call("GET", f"{bob.home}/changes", params={"since": other})
    assert theirs.status_code == 410
    assert same(theirs) == same(nobodys)
