"""Lost responses: the change is committed, and the client repeats the request."""

import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from service.settings import Settings
from tests.conftest import SECRET, User, client_of, started
from tests.faults.replica import SCALE, Replica, listed
from tests.faults.wire import ALONE, TOGETHER, Wire


@pytest.fixture
async def wire(database: str) -> AsyncIterator[Wire]:
    """A way to the database that is cut, when that is asked for, as the server has committed and is
    about to say so.
    """
    async with Wire(database).laid() as wire:
        yield wire


async def test_of_1000_lost_answers_each_change_is_made_once(
    wire: Wire, connection: asyncpg.Connection
) -> None:
    """Of 1,000 changes of every kind whose answers are lost each is made once, and repeats get the
    first answer, byte for byte.
    """
    dice = random.Random(7)
    settings = Settings.model_validate({"database_url": wire.dsn, "jwt_secret": SECRET})
    async with started(settings) as app, client_of(app) as client:
        alice = User(client, "alice")
        bystander = await alice.create("bystander")
        lost = 1_000 * SCALE
        there = {bystander["id"]}
        for number in range(lost):
            method = dice.choice(["POST", "POST", "PATCH", "PUT", "DELETE"])
            id = dice.choice([*there]) if method in ("PUT", "DELETE") else bystander["id"]
            if method == "DELETE" and id == bystander["id"]:
                id = str(uuid4())  # 404 is an answer to keep, too
            if method == "PUT" and dice.random() < 0.5:
                id = str(uuid4())
            path = "" if method == "POST" else f"/{id}"
            request: dict[str, Any] = {"headers": {"Idempotency-Key": str(uuid4())}}
            if method != "DELETE":
                request["json"] = {"title": f"{number}"}
            # Either the client never hears of the first answer, or we ourselves never hear the
            # database's.
            wire.cut_at = b"" if number % 10 else TOGETHER
            first = await alice.call(method, path, **request)
            assert first.headers.get("Idempotency-Replayed") == (None if number % 10 else "true")
            await meanwhile(alice, dice, bystander["id"])
            repeats = [await alice.call(method, path, **request) for _ in range(2)]
            assert {repeat.headers["Idempotency-Replayed"] for repeat in repeats} == {"true"}
            assert len({told(answer) for answer in (first, *repeats)}) == 1
            if method in ("POST", "PUT"):
                there.add(first.json()["id"])
            elif method == "DELETE":
                there.discard(id)
            if method == "POST" and number % 8 == 1:
                there.discard(first.json()["id"])
                task = f"/{first.json()['id']}"
                assert (await alice.call("DELETE", task)).status_code == 204
                assert told(await alice.call(method, path, **request)) == told(first)
        assert wire.cuts == lost // 10
        tasks = await listed(alice)
        assert tasks.keys() == there
        assert await Replica(alice).catch_up() == tasks
    assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == lost


def told(response: httpx.Response) -> tuple[Any, ...]:
    """All of an answer that its request decides."""
    return (
        response.status_code,
        response.content,
        *(response.headers.get(name) for name in ("Location", "ETag", "Content-Type")),
    )


async def meanwhile(user: User, dice: random.Random, id: str) -> None:
    """Something may happen between a request and its repeat."""
    if dice.random() < 0.1:
        await user.call("PATCH", f"/{id}", json={"completed": dice.random() < 0.5})


async def test_a_put_may_be_repeated_without_a_key(wire: Wire) -> None:
    """A PUT whose answer was lost is sent again, and there is one task; with a condition the repeat
    says that it was done.
    """
    settings = Settings.model_validate({"database_url": wire.dsn, "jwt_secret": SECRET})
    async with started(settings) as app, client_of(app) as client:
        alice = User(client, "alice")
        path = f"/{uuid4()}"
        for headers, repeated in (({}, 200), ({"If-None-Match": "*"}, 412)):
            await alice.call("DELETE", path)
            wire.cut_at = TOGETHER
            lost = await alice.call("PUT", path, json={"title": "a"}, headers=headers)
            assert (lost.status_code, lost.json()["type"]) == (503, "/problems/outcome-unknown")
            assert (
                await alice.call("PUT", path, json={"title": "a"}, headers=headers)
            ).status_code == repeated
            assert [task["title"] for task in (await listed(alice)).values()] == ["a"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_without_a_key_a_lost_answer_is_reported_as_unknown(wire: Wire, method: str) -> None:
    """A change whose answer was lost is not reported as failed: it was made, and 503 says that it
    may have been.
    """
    settings = Settings.model_validate({"database_url": wire.dsn, "jwt_secret": SECRET})
    async with started(settings) as app, client_of(app) as client:
        alice = User(client, "alice")
        task = await alice.create("before")
        path = "" if method == "POST" else f"/{task['id']}"
        wire.cut_at = TOGETHER if method == "POST" else ALONE
        response = await alice.call(
            method, path, **({} if method == "DELETE" else {"json": {"title": "after"}})
        )
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert response.json()["type"] == "/problems/outcome-unknown"
        titles = sorted(task["title"] for task in (await listed(alice)).values())
        assert titles == {"POST": ["after", "before"], "DELETE": []}.get(method, ["after"])
        assert wire.cuts == 1


async def test_a_lost_read_is_read_again(wire: Wire) -> None:
    """A read whose answer was lost is read again and answered."""
    settings = Settings.model_validate({"database_url": wire.dsn, "jwt_secret": SECRET})
    async with started(settings) as app, client_of(app) as client:
        alice = User(client, "alice")
        task = await alice.create()
        wire.cut_at = ALONE
        assert (await alice.call("GET", f"/{task['id']}")).json() == task
        assert wire.cuts == 1
