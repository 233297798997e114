"""Quotas under concurrent writes: never exceeded, and the counts are always right."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from service.app import Application
from service.resources.quotas import Quotas
from tests.conftest import User
from tests.faults.queueing import queued
from tests.faults.replica import SCALE

# One statement sees one moment: what the owners' rows say, and what there is.
WRONG = """
    SELECT o.*, count(t.id), sum(octet_length(concat(t.title, t.description)))
      FROM owners AS o LEFT JOIN tasks AS t ON t.owner_id = o.owner_id AND NOT t.erased
     GROUP BY o.owner_id
    HAVING o.open <> count(t.id) FILTER (WHERE NOT t.completed AND t.deleted_at IS NULL)
        OR o.completed <> count(t.id) FILTER (WHERE t.completed AND t.deleted_at IS NULL)
        OR o.trash <> count(t.id) FILTER (WHERE t.deleted_at IS NOT NULL)
        OR o.bytes <> coalesce(sum(octet_length(concat(t.title, t.description))), 0)
        OR count(t.id) > $1
        OR o.bytes > $2
"""


async def _anything(dice: random.Random, person: User) -> httpx.Response:
    """A write such as any client might send: to one of a dozen ids, at times under a condition or
    with a key.
    """
    method = dice.choice(["POST", "POST", "DELETE", "PUT", "PUT", "PATCH", "PATCH"])
    headers = dice.choice(
        [{}, {}, {}, {"If-Match": f'"{dice.randrange(1, 20)}"'}, {"Idempotency-Key": str(uuid4())}]
    )
    path = "" if method == "POST" else f"/{UUID(int=dice.randrange(12))}"
    if method == "DELETE":
        return await person.call(method, path, headers=headers)
    body: dict[str, object] = {"title": "\u00e9" * dice.randrange(1, 9)}
    if dice.random() < 0.5:
        body["description"] = dice.choice([None, "x" * dice.randrange(9)])
    if dice.random() < 0.5:
        body["completed"] = dice.random() < 0.5
    return await person.call(method, path, json=body, headers=headers)


async def _forget_some(person: User) -> None:
    """Delete half of the tasks, and empty the trash, which the quotas count too."""
    for task in (await person.tasks())["items"][::2]:
        await person.call("DELETE", f"/{task['id']}")
    await person.call("DELETE", f"{person.home}/trash")


async def test_no_interleaving_exceeds_a_quota(
    app: Application, user: Callable[[str], User], connection: asyncpg.Connection
) -> None:
    """Random interleavings of writers near the quota never exceed it, and the counts are right."""
    quotas = app.services.quotas = Quotas(tasks=8, bytes=90)
    people = [user(f"user {number}") for number in range(2)]
    dice = random.Random(7)
    operations, done = 600 * SCALE, 0
    answers: Counter[str] = Counter()

    async def write() -> None:
        nonlocal done
        while done < operations:
            done += 1
            response = await _anything(dice, dice.choice(people))
            assert response.status_code in (200, 201, 204, 404, 409, 412), response.text
            answers[
                (
                    response.json()["type"]
                    if response.status_code == 409
                    else str(response.status_code)
                )
            ] += 1
            if done % 20 == 0:
                await _forget_some(dice.choice(people))

    async def watch() -> None:
        while done < operations:
            assert await connection.fetch(WRONG, *quotas) == []
            await asyncio.sleep(0.01)

    await asyncio.gather(watch(), *(write() for _ in range(8)))
    assert await connection.fetch(WRONG, *quotas) == []
    # How many of each depends on who is faster; that there are many of each is what makes the rest
    # worth something.
    assert (
        min(answers["/problems/quota-exceeded"], answers["200"] + answers["201"]) > operations / 50
    ), answers


@pytest.mark.parametrize("key", [False, True])
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_first_writes_of_an_owner_at_once(
    app: Application,
    user: Callable[[str], User],
    connection: asyncpg.Connection,
    method: str,
    *,
    key: bool,
) -> None:
    """Of a user's first tasks, all at once, exactly as many as the quota allows are created and
    counted.
    """
    app.services.quotas = Quotas(tasks=2, bytes=None)
    for number in range(8):
        somebody = user(f"{method} {number}")
        calls = [
            somebody.call(
                method,
                "" if method == "POST" else f"/{uuid4()}",
                json={"title": "a"},
                headers={"Idempotency-Key": str(uuid4())} if key else {},
            )
            for _ in range(5)
        ]
        responses = await asyncio.gather(*calls)
        assert sorted(response.status_code for response in responses) == [201, 201, 409, 409, 409]
        assert {
            response.json()["type"] for response in responses if response.status_code == 409
        } == {"/problems/quota-exceeded"}
    assert await connection.fetch(WRONG, 2, 10) == []


async def test_puts_of_one_task_into_the_last_place_all_succeed(
    app: Application, alice: User, database: str, connection: asyncpg.Connection
) -> None:
    """A PUT that waited while its repeat took the last place finds the task there, and
    replaces it.
    """
    app.services.quotas = Quotas(tasks=2, bytes=3)
    await alice.create("a")
    path = f"/{uuid4()}"
    calls = [alice.call("PUT", path, json={"title": "bb"}) for _ in range(3)]
    async with queued(database, connection, calls) as responses:
        # Which of the two that race for the new row comes first is the server's choice.
        assert sorted(response.status_code for response in responses) == [200, 200, 201]
    assert await connection.fetch(WRONG, 2, 3) == []


async def test_a_waiting_write_sees_room_made_or_taken_meanwhile(
    app: Application, alice: User, database: str, connection: asyncpg.Connection
) -> None:
    """A write that waited until the trash was emptied uses the room; one that waited for a write
    finds the room taken.
    """
    app.services.quotas = Quotas(tasks=1, bytes=None)
    await alice.call("DELETE", f"/{(await alice.create('a'))['id']}")
    create: dict[str, Any] = {"json": {"title": "b"}}
    calls = [
        alice.call("POST", **create),
        alice.call("DELETE", f"{alice.home}/trash"),
        alice.call("POST", **create, headers={"Idempotency-Key": "one"}),
        alice.call("PUT", f"/{uuid4()}", **create),
    ]
    async with queued(database, connection, calls) as responses:
        refused, deleted, *later = [response.status_code for response in responses]
        # Which of the last two comes first is the server's choice: the erasure made a new row of
        # the owner's, and both run for it.
        assert (refused, deleted, sorted(later)) == (409, 204, [201, 409])
    assert await connection.fetch(WRONG, 1, 1) == []
