"""The feed of changes: every change, once, in order, however it is paged."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.conftest import User
from tests.faults.replica import Replica, listed
from tests.streams import feed


async def test_a_user_without_tasks_gets_an_empty_page_and_a_token(alice: User) -> None:
    """A user without tasks gets an empty page, and a token that leads to all later changes."""
    page = await feed(alice)
    assert (page["items"], page["more"]) == ([], False)
    task = await alice.create()
    assert [change["task"] for change in (await feed(alice, since=page["next"]))["items"]] == [task]


async def test_many_first_tasks_at_once(alice: User) -> None:
    """A client that has synced the empty account pages through the first tasks of a batch."""
    replica = Replica(alice)
    await replica.catch_up()
    operations = [{"op": "create", "task": {"title": str(number)}} for number in range(9)]
    made = await alice.call("POST", "/batch", json={"operations": operations})
    assert made.status_code == 200
    assert await replica.catch_up(2) == await listed(alice)
    assert replica.forgotten == 0


async def test_the_feed_has_each_task_once_in_its_latest_form(alice: User) -> None:
    """Changes come in the order they happened, each task once in its latest form; a deleted one
    with id and number only.
    """
    one, two, three = [await alice.create(name) for name in ("one", "two", "three")]
    start = await feed(alice)
    first = start["items"][0]["sequence"]
    assert [
        (change["sequence"], change["deleted"], change["task"]) for change in start["items"]
    ] == [
        (first, False, one),
        (first + 1, False, two),
        (first + 2, False, three),
    ]
    four = await alice.create("four")
    await alice.call("PATCH", f"/{two['id']}", json={"title": "second"})
    await alice.call("DELETE", f"/{one['id']}")
    latest = (await alice.call("PATCH", f"/{two['id']}", json={"completed": True})).json()
    page = await feed(alice, since=start["next"])
    assert page["items"] == [
        {"id": four["id"], "sequence": first + 3, "deleted": False, "task": four},
        {"id": one["id"], "sequence": first + 5, "deleted": True, "task": None},
        {"id": two["id"], "sequence": first + 6, "deleted": False, "task": latest},
    ]
    assert page["more"] is False
    assert (await feed(alice, since=page["next"]))["items"] == []


async def test_a_first_sync_has_no_earlier_deletions(alice: User) -> None:
    """A first sync returns all current tasks, and no earlier deletions."""
    for _ in range(3):
        await alice.call("DELETE", f"/{(await alice.create())['id']}")
    kept = await alice.create()
    assert [change["task"] for change in (await feed(alice))["items"]] == [kept]


async def test_a_task_deleted_during_a_first_sync(alice: User) -> None:
    """A task of an early page of the first sync that is deleted before the last page is in a later
    one, as deleted.
    """
    ids = [(await alice.create())["id"] for _ in range(4)]
    replica = Replica(alice)
    assert await replica.turn(2)
    await alice.call("DELETE", f"/{ids[0]}")
    await alice.call("DELETE", f"/{ids[3]}")
    assert set(await replica.catch_up(2)) == {ids[1], ids[2]}


async def test_a_task_put_again_is_one_change(alice: User) -> None:
    """An id that was deleted and put again is one change: the task that is there."""
    path = f"/{uuid4()}"
    start = await feed(alice)
    await alice.call("PUT", path, json={"title": "a"})
    await alice.call("DELETE", path)
    again = (await alice.call("PUT", path, json={"title": "b"})).json()
    page = await feed(alice, since=start["next"])
    assert [(change["deleted"], change["task"]) for change in page["items"]] == [(False, again)]
    await alice.call("DELETE", path)
    assert [change["deleted"] for change in (await feed(alice, since=start["next"]))["items"]] == [
        True
    ]
    (gone,) = (await feed(alice, since=page["next"]))["items"]
    assert gone["sequence"] == page["items"][0]["sequence"] + 1


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
async def test_pages_of_any_size_add_up_to_the_list(alice: User, limit: int) -> None:
    """`more` is true while there is more, whatever the page's size, and the pages together are the
    list.
    """
    ids = [(await alice.create())["id"] for _ in range(6)]
    replica = Replica(alice)
    await replica.turn(limit)
    await alice.call("DELETE", f"/{ids[1]}")
    await alice.call("DELETE", f"/{ids[5]}")
    await alice.call("PATCH", f"/{ids[2]}", json={"completed": True})
    assert await replica.catch_up(limit) == await listed(alice)


@pytest.mark.parametrize(
    "query",
    [
        {"since": ""},
        {"since": "7"},
        {"since": "AAAA"},
        {"limit": 0},
        {"limit": 501},
        {"limit": "x"},
    ],
)
async def test_a_wrong_token_or_limit_is_422(alice: User, query: dict[str, Any]) -> None:
    """A token that is none, or a limit out of range, is 422 and named."""
    response = await alice.call("GET", f"{alice.home}/changes", params=query)
    assert response.status_code == 422
    assert [error["parameter"] for error in response.json()["errors"]] == list(query)


async def test_deletions_are_purged_after_30_days_and_older_tokens_are_410(
    alice: User, connection: asyncpg.Connection, sweeping: None
) -> None:
    """Any later write purges what was deleted 30 days ago; a token from before that is 410, and
    starting again works.
    """
    ids = [(await alice.create())["id"] for _ in range(16)]
    first = (await feed(alice, limit=1))["items"][0]["sequence"]
    old, recent, latest = Replica(alice), Replica(alice), Replica(alice)
    await old.catch_up()
    for id in ids[:12]:
        await alice.call("DELETE", f"/{id}")
    await recent.catch_up()
    await alice.call("DELETE", f"/{ids[12]}")
    await latest.catch_up()
    deleted = "SELECT count(*) FROM tasks WHERE deleted_at IS NOT NULL"
    await connection.execute("UPDATE tasks SET deleted_at = deleted_at - interval '29 days'")
    await alice.call("DELETE", f"/{ids[13]}")
    assert await connection.fetchval(deleted) == 14
    await connection.execute(
        "UPDATE tasks SET deleted_at = deleted_at - interval '2 days' WHERE sequence < $1",
        first + 28,
    )
    await alice.call("PATCH", f"/{ids[14]}", json={"title": "b"})
    assert await connection.fetchval(deleted) == 2
    assert await connection.fetchval("SELECT horizon FROM owners") == first + 27
    response = await alice.call("GET", f"{alice.home}/changes", params={"since": old.since})
    assert (response.status_code, response.json()["type"]) == (410, "/problems/expired")
    assert "start again" in response.json()["detail"]
    for replica, forgotten in ((old, 1), (recent, 0), (latest, 0)):
        assert await replica.catch_up() == await listed(alice)
        assert replica.forgotten == forgotten


async def test_a_sweep_takes_a_hundred_and_none_before_an_older_one(
    alice: User, connection: asyncpg.Connection, sweeping: None
) -> None:
    """Deleted tasks are purged in the order of their deletion, a hundred at a time: one that says
    to be younger holds back those behind it, so that none stays below the horizon.
    """
    await connection.execute(
        """INSERT INTO owners (owner_id, sequence, horizon, trash) VALUES ('alice', 300, 0, 300);
           INSERT INTO tasks (owner_id, id, title, sequence, deleted_at)
           SELECT 'alice', gen_random_uuid(), 'x', n,
                  now() - CASE n WHEN 150 THEN interval '29 days' ELSE interval '31 days' END
             FROM generate_series(1, 300) AS n"""
    )
    for horizon in (100, 149, 149):
        await alice.create()
        assert await connection.fetchval("SELECT horizon FROM owners") == horizon
        left = "SELECT min(sequence) FROM tasks WHERE deleted_at IS NOT NULL"
        assert await connection.fetchval(left) == horizon + 1


async def test_a_first_sync_that_is_under_way_outlives_the_purge(
    alice: User, connection: asyncpg.Connection, sweeping: None
) -> None:
    """Deletions from before a first sync began may be forgotten while it pages: it never needed
    them.
    """
    ids = [(await alice.create())["id"] for _ in range(4)]
    await alice.call("DELETE", f"/{ids[3]}")
    await connection.execute("UPDATE tasks SET deleted_at = deleted_at - interval '31 days'")
    replica = Replica(alice)
    await replica.turn(1)
    await alice.call("DELETE", f"/{ids[0]}")
    assert await connection.fetchval("SELECT sequence - horizon FROM owners") == 1
    assert await replica.catch_up(1) == await listed(alice)
    assert replica.forgotten == 0


async def test_totals_equal_a_count(
    user: Callable[[str], User], connection: asyncpg.Connection
) -> None:
    """Totals come from the owner's row and equal a count: for a list of any filter, after every
    kind of write.
    """
    somebody = user("somebody")
    task = await somebody.create(completed=True)
    path = f"/{task['id']}"
    for method, target, body in (
        ("POST", "", {"title": "b"}),
        ("PATCH", path, {"completed": False}),
        ("PUT", path, {"title": "c", "completed": True}),
        ("PUT", f"/{uuid4()}", {"title": "d"}),
        ("PUT", f"/{uuid4()}", {"title": "d", "completed": True}),
        ("DELETE", path, None),
    ):
        assert (
            await somebody.call(method, target, **({} if body is None else {"json": body}))
        ).is_success
        counted = await connection.fetchrow(
            "SELECT count(*), count(*) FILTER (WHERE completed) AS completed FROM tasks"
            " WHERE deleted_at IS NULL"
        )
        assert counted is not None
        assert (await somebody.tasks())["total"] == counted["count"]
        assert (await somebody.tasks(completed="true"))["total"] == counted["completed"]
        assert (await somebody.tasks(completed="false"))["total"] == counted["count"] - counted[
            "completed"
        ]
