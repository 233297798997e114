"""The trash, and erasing an account, through HTTP."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.db.connection import Connection
from service.db.pool import Pool
from service.resources import account, trash
from tests.conftest import User


async def trash_of(user: User, **query: Any) -> dict[str, Any]:
    response = await user.call("GET", f"{user.home}/trash", params=query)
    assert response.status_code == 200
    page: dict[str, Any] = response.json()
    return page


async def delete(user: User, task: dict[str, Any]) -> None:
    assert (await user.call("DELETE", f"/{task['id']}")).status_code == 204


async def restore(user: User, task: dict[str, Any], **headers: str) -> Any:
    path = f"{user.home}/trash/{task['id']}/restore"
    return await user.call("POST", path, headers=headers)


async def erase(user: User, task: dict[str, Any]) -> Any:
    return await user.call("DELETE", f"{user.home}/trash/{task['id']}")


async def test_the_trash_is_latest_first(alice: User, bob: User) -> None:
    """Deleted tasks are listed as they were, latest deletion first, page by page, each with its
    time.
    """
    made = [await alice.create(str(number), tags=["x"]) for number in range(5)]
    for task in made:
        await delete(alice, task)
    first = await trash_of(alice, limit=2)
    second = await trash_of(alice, limit=2, cursor=first["next"])
    third = await trash_of(alice, limit=2, cursor=second["next"])
    items = first["items"] + second["items"] + third["items"]
    assert [item["task"] for item in items] == made[::-1]
    assert {page["total"] for page in (first, second, third)} == {5}
    assert third["next"] is None
    assert all(item["deleted_at"] > item["task"]["updated_at"] for item in items)
    assert await trash_of(bob) == {"items": [], "total": 0, "next": None}
    wrong = await bob.call("GET", f"{bob.home}/trash", params={"cursor": first["next"]})
    assert wrong.status_code == 422


async def test_a_restored_task_is_back_with_a_new_version(alice: User) -> None:
    """A restored task is back as it was, with its id and a version of its own; once."""
    task = await alice.create("x", completed=True, due_date="2026-03-01", position=1)
    await delete(alice, task)
    assert (await alice.tasks())["total"] == 0
    response = await restore(alice, task)
    back = response.json()
    assert response.status_code == 200
    assert back == {**task, "updated_at": back["updated_at"], "version": 2}
    assert response.headers["ETag"] == '"2"'
    assert (await alice.tasks(completed="true"))["items"] == [back]
    assert await trash_of(alice) == {"items": [], "total": 0, "next": None}
    assert (await restore(alice, task)).status_code == 404


async def test_a_restore_repeated_with_its_key_gets_the_first_answer(alice: User) -> None:
    """With a key, a restore that is sent again gets the first answer."""
    task = await alice.create()
    await delete(alice, task)
    first, second = [await restore(alice, task, **{"Idempotency-Key": "k"}) for _ in range(2)]
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_an_erased_task_leaves_no_text_behind(
    alice: User, connection: asyncpg.Connection
) -> None:
    """An erased task cannot be read, listed or restored, and none of its text is stored."""
    task, other = (
        await alice.create("secret", description="secret", tags=["secret"]),
        await alice.create(),
    )
    assert (await erase(alice, task)).status_code == 404  # it is not in the trash
    await delete(alice, task)
    await delete(alice, other)
    assert (await erase(alice, task)).status_code == 204
    assert [item["task"] for item in (await trash_of(alice))["items"]] == [other]
    assert (await restore(alice, task)).status_code == 404
    assert (await erase(alice, task)).status_code == 404
    rows = await connection.fetch("SELECT t::text AS row FROM tasks AS t")
    assert not any("secret" in row["row"] for row in rows)


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}])
async def test_emptying_erases_the_owners_trash_alone(
    alice: User, bob: User, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emptying erases all of one's own trash, in steps, and nothing else."""
    monkeypatch.setattr(trash, "STEP", 2)
    kept = await alice.create("kept")
    for user in (alice, bob):
        for number in range(5):
            await delete(user, await user.create(str(number)))
    response = await alice.call("DELETE", f"{alice.home}/trash", headers=key)
    assert response.status_code == 204
    assert (await trash_of(alice))["total"] == 0
    assert (await alice.tasks())["items"] == [kept]
    assert (await trash_of(bob))["total"] == 5


async def test_a_put_at_a_deleted_id_makes_a_new_task(
    alice: User, connection: asyncpg.Connection
) -> None:
    """A put at the id of a deleted or erased task makes a new one, and the trash has it no more."""
    for erased in (False, True):
        task = await alice.create("old")
        await delete(alice, task)
        if erased:
            await erase(alice, task)
        response = await alice.call("PUT", f"/{task['id']}", json={"title": "new"})
        assert response.status_code == 201
        assert response.json()["version"] > task["version"]
        assert (await trash_of(alice))["total"] == 0
        assert (await restore(alice, task)).status_code == 404
        await alice.call("DELETE", f"/{task['id']}")
        await alice.call("DELETE", f"{alice.home}/trash")
    assert await connection.fetchval("SELECT (trash, bytes)::text FROM owners") == "(0,0)"


async def test_deleted_tasks_are_purged_after_30_days(
    alice: User, connection: asyncpg.Connection, sweeping: None
) -> None:
    """After 30 days what was deleted goes, erased or not, and the counts with it."""
    made = [await alice.create(str(number)) for number in range(3)]
    for task in made:
        await delete(alice, task)
    await erase(alice, made[0])
    await connection.execute("UPDATE tasks SET deleted_at = now() - interval '31 days'")
    await alice.create("new")
    await alice.create("new")
    assert await trash_of(alice) == {"items": [], "total": 0, "next": None}
    assert await connection.fetchval("SELECT count(*) FROM tasks") == 2
    assert await connection.fetchval("SELECT (open, trash, bytes)::text FROM owners") == "(2,0,6)"


async def test_a_write_that_sweeps_waits_for_one_connection(
    alice: User, sweeping: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep and the write that it comes with are one transaction: they queue once."""
    task, taken, take = await alice.create(), [], Pool.take

    def counted(pool: Pool, *arguments: Any) -> Connection | None:
        taken.append(connection := take(pool, *arguments))
        return connection

    monkeypatch.setattr(Pool, "take", counted)
    await alice.create()
    assert len(taken) == 1
    await alice.call("PATCH", f"/{task['id']}", json={"completed": True})
    await delete(alice, task)
    assert len(taken) == 3


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["create", "put", "patch", "delete", "complete", "restore", "erase", "empty"]
        ),
        st.integers(0, 2),
    ),
    max_size=14,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
async def test_random_histories_keep_copy_list_and_trash_equal_to_the_model(
    alice: User, connection: asyncpg.Connection, steps: list[tuple[str, int]]
) -> None:
    """Whatever happens to tasks, a copy kept by the feed is the list at every step, list and trash
    are what a plain model says, and the counters are what is stored.
    """
    await alice.call("DELETE", alice.home, headers={"If-Match": "*"})
    ids = [str(uuid4()) for _ in range(3)]
    live: set[str] = set()
    deleted: set[str] = set()
    copy: dict[str, Any] = {}
    since: dict[str, str] = {}
    for step, number in steps:
        task_id = ids[number]
        there, gone = task_id in live, task_id in deleted
        path, binned = f"/{task_id}", f"{alice.home}/trash/{task_id}"
        if step in ("create", "put"):
            body = {
                "title": f"{step} {number}",
                "due_date": "2026-03-01",
                "recurrence": "FREQ=DAILY;COUNT=1",
            }
            status = (await alice.call("PUT", path, json=body)).status_code
            assert status == (200 if there else 201)
            live.add(task_id)
            deleted.discard(task_id)
        elif step == "patch":
            response = await alice.call("PATCH", path, json={"title": "patched", "tags": ["ü"]})
            assert response.status_code == (200 if there else 404)
        elif step == "complete":
            response = await alice.call("POST", f"{path}/complete")
            assert response.status_code in ((200, 409) if there else (404,))
        elif step == "delete":
            assert (await alice.call("DELETE", path)).status_code == (204 if there else 404)
            deleted |= {task_id} & live
            live.discard(task_id)
        elif step == "restore":
            response = await alice.call("POST", f"{binned}/restore")
            assert response.status_code == (200 if gone else 404)
            live |= {task_id} & deleted
            deleted.discard(task_id)
        elif step == "erase":
            assert (await alice.call("DELETE", binned)).status_code == (204 if gone else 404)
            deleted.discard(task_id)
        else:
            assert (await alice.call("DELETE", f"{alice.home}/trash")).status_code == 204
            deleted.clear()
        page = (await alice.call("GET", f"{alice.home}/changes", params=since)).json()
        since = {"since": page["next"]}
        for item in page["items"]:
            copy.pop(item["id"], None) if item["deleted"] else copy.update(
                {item["id"]: item["task"]}
            )
        tasks = (await alice.tasks(limit=100))["items"]
        assert copy == {task["id"]: task for task in tasks}
        assert copy.keys() == live
        binned_now = await trash_of(alice)
        assert {item["task"]["id"] for item in binned_now["items"]} == deleted
        assert binned_now["total"] == len(deleted)
        counted = await connection.fetchrow(
            "SELECT o.open, o.completed, o.trash, o.bytes,"
            " count(*) FILTER (WHERE deleted_at IS NULL AND NOT t.completed) AS o,"
            " count(*) FILTER (WHERE deleted_at IS NULL AND t.completed) AS c,"
            " count(*) FILTER (WHERE deleted_at IS NOT NULL AND NOT erased) AS t,"
            " coalesce(sum(size), 0) AS b"
            " FROM owners AS o LEFT JOIN tasks AS t USING (owner_id) WHERE o.owner_id = 'alice'"
            " GROUP BY o.open, o.completed, o.trash, o.bytes"
        )
        if counted is not None:
            assert tuple(counted)[:4] == tuple(counted)[4:]


async def test_erasing_an_account_deletes_exactly_its_rows(
    alice: User, bob: User, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Erasing an account deletes all rows of the owner, and no others."""
    monkeypatch.setattr(account, "STEP", 2)
    for user in (alice, bob):
        for number in range(5):
            key = {"Idempotency-Key": str(number)}
            await user.call("POST", json={"title": str(number)}, headers=key)
        await delete(user, (await user.tasks())["items"][0])
    before = await left(connection, "bob")
    for headers in ({}, {"If-Match": '"1"'}):
        refused = await alice.call("DELETE", alice.home, headers=headers)
        assert refused.status_code == 428
        assert refused.json()["type"] == "/problems/confirmation-required"
    assert (await alice.tasks())["total"] == 4
    assert (await alice.call("DELETE", alice.home, headers={"If-Match": "*"})).status_code == 204
    assert await left(connection, "alice") == []
    assert await left(connection, "bob") == before
    again = await alice.call("DELETE", alice.home, headers={"If-Match": "*"})
    assert again.status_code == 204
    assert (await alice.create("anew"))["version"] == 1


async def test_tags_and_tokens_of_an_erased_account_never_match_again(alice: User) -> None:
    """Tags and sync tokens from before the erasure fit nothing that comes after it, although the
    same number of writes made the same tasks.
    """
    path = f"/{uuid4()}"

    async def written() -> tuple[str, str, str]:
        tag = (await alice.call("PUT", path, json={"title": "mine"})).headers["ETag"]
        page = await alice.call("GET")
        feed = await alice.call("GET", f"{alice.home}/changes")
        return tag, page.headers["ETag"], feed.json()["next"]

    tag, page_tag, since = await written()
    assert (await alice.call("DELETE", alice.home, headers={"If-Match": "*"})).status_code == 204
    gone = await alice.call("GET", f"{alice.home}/changes", params={"since": since})
    assert gone.status_code == 410
    assert not {tag, page_tag, since} & {*await written()}
    stale = await alice.call("PATCH", path, json={"title": "x"}, headers={"If-Match": tag})
    assert stale.status_code == 412
    page = await alice.call("GET", headers={"If-None-Match": page_tag})
    assert page.status_code == 200
    gone = await alice.call("GET", f"{alice.home}/changes", params={"since": since})
    assert gone.status_code == 410


async def test_a_large_account_takes_several_requests(
    alice: User, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one request may not erase is 503 with Retry-After; lists, counts and feed are right in
    between, and repeating it comes to an end.
    """
    monkeypatch.setattr(account, "STEP", 2)
    monkeypatch.setattr(account, "STEPS", 2)
    for number in range(7):
        await alice.create(str(number))
    since = {"since": (await alice.call("GET", f"{alice.home}/changes")).json()["next"]}
    statuses: list[int] = []
    while not statuses or statuses[-1] != 204:
        response = await alice.call("DELETE", alice.home, headers={"If-Match": "*"})
        statuses.append(response.status_code)
        if statuses[-1] == 503:
            assert response.headers["Retry-After"]
            assert response.json()["type"] == "/problems/more-to-erase"
            page = await alice.tasks()
            assert page["total"] == len(page["items"]) < 7
            feed = await alice.call("GET", f"{alice.home}/changes", params=since)
            assert feed.status_code == 410
    assert statuses == [503, 503, 204]
    assert await left(connection, "alice") == []


async def left(connection: asyncpg.Connection, owner: str) -> list[str]:
    """Every row of the owner's, in any table."""
    tables = await connection.fetch(
        "SELECT attrelid::regclass::text AS name FROM pg_attribute JOIN pg_class AS c ON c.oid ="
        " attrelid WHERE attname = 'owner_id' AND relkind = 'r' ORDER BY 1"
    )
    assert len(tables) == 3
    return [
        row["row"]
        for table in tables
        for row in await connection.fetch(
            f"SELECT t::text AS row FROM {table['name']} AS t WHERE owner_id = $1 ORDER BY 1", owner
        )
    ]
