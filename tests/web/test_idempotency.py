"""Idempotency-Key: carried out once, answered as often as repeated."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from tests.conftest import User


def key(text: str = "one") -> dict[str, str]:
    return {"Idempotency-Key": text}


def told(response: httpx.Response) -> tuple[Any, ...]:
    """All of an answer that its request decides."""
    names = ("Location", "ETag", "Content-Type", "Cache-Control")
    return response.status_code, response.content, *(response.headers.get(name) for name in names)


async def test_a_create_with_a_key_looks_like_one_without(alice: User) -> None:
    """The stored text of an answer is, member for member and byte for byte, what the service writes
    itself.
    """
    body = {
        "title": 'a "quoted" \\ título \u2028 \x01\t\x7f/ 😀',
        "description": "\n",
        "completed": True,
    }
    kept = await alice.call("POST", json=body, headers=key())
    read = await alice.call("GET", f"/{kept.json()['id']}")
    assert kept.status_code == 201
    assert kept.content == read.content
    assert "Idempotency-Replayed" not in kept.headers
    changed = await alice.call(
        "PATCH", f"/{kept.json()['id']}", json={"description": None}, headers=key("two")
    )
    assert changed.content == (await alice.call("GET", f"/{kept.json()['id']}")).content


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_repeat_gets_the_whole_first_answer(
    alice: User, connection: asyncpg.Connection, method: str
) -> None:
    """Status, body, Location and ETag of the first answer come again, also when the task has
    changed since, or is gone.
    """
    path = "" if method == "POST" else f"/{(await alice.create())['id']}"
    request: dict[str, Any] = {"json": {"title": "b"}, "headers": key()}
    first = await alice.call(method, path, **request)
    task = f"/{first.json()['id']}"
    sequence = "SELECT sequence FROM owners"
    for method_between, body in (("GET", None), ("PATCH", {"title": "c"}), ("DELETE", None)):
        await alice.call(method_between, task, **({} if body is None else {"json": body}))
        before = await connection.fetchval(sequence)
        again = await alice.call(method, path, **request)
        assert told(again) == told(first)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert await connection.fetchval(sequence) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_put_and_a_delete_may_have_a_key(alice: User, method: str) -> None:
    """A repeat gets the first answer, and undoes nothing that came between."""
    path = f"/{uuid4()}"
    if method == "DELETE":
        await alice.call("PUT", path, json={"title": "a"})
    request: dict[str, Any] = {"headers": key()} | (
        {"json": {"title": "b"}} if method == "PUT" else {}
    )
    first = await alice.call(method, path, **request)
    assert first.status_code == (201 if method == "PUT" else 204)
    await alice.call("PUT", path, json={"title": "c"})
    for _ in range(2):
        again = await alice.call(method, path, **request)
        assert told(again) == told(first)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.headers.get("Content-Length") == first.headers.get("Content-Length")
    assert (await alice.call("GET", path)).json()["title"] == "c"


async def test_another_spelling_of_the_id_is_the_same_request(alice: User) -> None:
    """A request is the same however the client spells a UUID."""
    id = UUID((await alice.create())["id"])
    request = {"json": {"title": "b"}, "headers": key()}
    first = await alice.call("PATCH", f"/{id}", **request)
    for spelling in (id.hex, str(id).upper()):
        again = await alice.call("PATCH", f"/{spelling}", **request)
        assert told(again) == told(first)
    other = await alice.create()
    assert (await alice.call("PATCH", f"/{other['id']}", **request)).status_code == 422


@pytest.mark.parametrize("owner", ["alicé", "名前", "a b?c#d"])
async def test_owners_with_unusual_ids_may_use_keys(
    user: Callable[[str], User], owner: str
) -> None:
    """The path is percent-encoded where needed, in headers and in the fingerprint."""
    somebody = user(owner)
    bare = await somebody.call("POST", json={"title": "a"})
    answers = [await somebody.call("POST", json={"title": "a"}, headers=key()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert told(answers[0]) == told(answers[1])
    place = answers[0].headers["Location"]
    assert place.rpartition("/")[0] == bare.headers["Location"].rpartition("/")[0]
    assert (await somebody.call("GET", place)).status_code == 200


async def test_a_404_or_412_is_repeated_for_its_key(alice: User) -> None:
    """What was 404 or 412 is so for its repeats, though the task has come or fits by now; nothing
    was done, and nothing is.
    """
    task = await alice.create()
    absent = f"/{uuid4()}"
    stale: dict[str, Any] = {"json": {"title": "b"}, "headers": key("stale") | {"If-Match": '"2"'}}
    early: dict[str, Any] = {"json": {"title": "b"}, "headers": key("early")}
    refused = await alice.call("PATCH", f"/{task['id']}", **stale)
    unknown = await alice.call("PATCH", absent, **early)
    assert (refused.status_code, unknown.status_code) == (412, 404)
    await alice.call("PATCH", f"/{task['id']}", json={"title": "a"})
    await alice.call("PUT", absent, json={"title": "a"})
    again = await alice.call("PATCH", f"/{task['id']}", **stale)
    assert (again.headers["ETag"], again.headers["Idempotency-Replayed"]) == ('"1"', "true")
    assert told(again) == told(refused)
    again = await alice.call("PATCH", absent, **early)
    assert told(again) == told(unknown)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert {each["title"] for each in (await alice.tasks())["items"]} == {"a"}


async def test_an_empty_patch_with_a_key_changes_nothing(
    alice: User, connection: asyncpg.Connection
) -> None:
    """`{}` is answered with the task as it is, and so are its repeats when that has changed."""
    task = await alice.create()
    row = await connection.fetchrow("SELECT xmin::text, version, sequence FROM tasks")
    first = await alice.call("PATCH", f"/{task['id']}", json={}, headers=key())
    assert (first.status_code, first.json()) == (200, task)
    assert await connection.fetchrow("SELECT xmin::text, version, sequence FROM tasks") == row
    await alice.call("PATCH", f"/{task['id']}", json={"title": "b"})
    assert told(await alice.call("PATCH", f"/{task['id']}", json={}, headers=key())) == told(first)


async def test_another_request_with_the_key_is_refused(alice: User) -> None:
    """The same key with another body, path or method is 422 and changes nothing; order and spacing
    are not another body.
    """
    task = await alice.create()
    await alice.call(
        "POST",
        content=b'{"title": "a", "completed": true}',
        headers=key() | {"Content-Type": "application/json"},
    )
    before = await alice.tasks()
    for method, path, body in (
        ("POST", "", {"title": "b", "completed": True}),
        ("POST", "", {"title": "a"}),
        ("PATCH", f"/{task['id']}", {"title": "a", "completed": True}),
    ):
        response = await alice.call(method, path, json=body, headers=key())
        assert (response.status_code, response.json()["type"]) == (
            422,
            "/problems/idempotency-key-reused",
        )
    same = await alice.call(
        "POST",
        content=b'{"completed":true,\n"title":"\\u0061"}',
        headers=key() | {"Content-Type": "application/json"},
    )
    assert (same.status_code, same.headers["Idempotency-Replayed"]) == (201, "true")
    assert await alice.tasks() == before


async def test_after_a_422_the_key_may_be_used_again(alice: User) -> None:
    """After a 422 the corrected request may have the same key."""
    assert (await alice.call("POST", json={"title": ""}, headers=key())).status_code == 422
    assert (await alice.call("POST", json={"title": "a"}, headers=key())).status_code == 201


@pytest.mark.parametrize(
    "bad",
    [
        "",
        '""',
        "a b",
        "é".encode("latin-1"),
        "a" * 256,
        f'"{"a" * 256}"',
        '"a',
        'a"b',
        '"a";b',
        "a\\b",
        '"a\\b"',
    ],
)
async def test_a_malformed_key_is_400(alice: User, bad: str | bytes) -> None:
    """A key that is not 1 to 255 visible characters is 400, and nothing is changed."""
    task = await alice.create()
    for method, path in (("POST", ""), ("PATCH", f"/{task['id']}")):
        response = await alice.call(
            method, path, json={"title": "b"}, headers={"Idempotency-Key": bad}
        )
        assert (response.status_code, response.json()["type"]) == (400, "/problems/bad-request")
        assert (await alice.tasks())["items"] == [task], method


@pytest.mark.parametrize(
    ("one", "two"),
    [("abc", '"abc"'), ("a" * 255, f'"{"a" * 255}"'), ("it's,fine;", '"it\'s,fine;"')],
)
async def test_quoted_and_bare_are_one_key(alice: User, one: str, two: str) -> None:
    """A key in quotes, as the draft wants it, is the key without them."""
    first = await alice.call("POST", json={"title": "a"}, headers=key(one))
    again = await alice.call("POST", json={"title": "a"}, headers=key(two))
    assert told(first) == told(again)
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_keys_are_purged_after_24_hours(
    alice: User, connection: asyncpg.Connection, sweeping: None
) -> None:
    """A key is kept for 24 hours; any later write takes up to a hundred older ones with it, of the
    same owner only.
    """
    task = await alice.create()
    await alice.call("POST", json={"title": "a"}, headers=key("old-1"))
    await connection.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '23 hours 59 minutes'"
    )
    mine = "SELECT count(*) FROM idempotency_keys WHERE owner_id = 'alice'"
    await alice.call("POST", json={"title": "a"}, headers=key("new"))
    assert await connection.fetchval(mine) == 2
    await connection.execute(
        """INSERT INTO idempotency_keys
           SELECT w, 'old-' || n, fingerprint, status, headers, body,
                  now() - interval '25 hours' - n * interval '1 second'
             FROM idempotency_keys, unnest('{alice,bob}'::text[]) AS w, generate_series(2, 150) AS n
            WHERE key = 'new'"""
    )
    for left in (51, 2):
        await alice.call("PATCH", f"/{task['id']}", json={"title": "b"})
        assert await connection.fetchval(mine) == left
    others = "SELECT count(*) FROM idempotency_keys WHERE owner_id = 'bob'"
    assert await connection.fetchval(others) == 149
    oldest = "SELECT keys_horizon < (SELECT min(created_at) FROM idempotency_keys WHERE owner_id = 'alice') FROM owners"
    assert await connection.fetchval(oldest)
