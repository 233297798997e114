"""Complete tasks through HTTP: once, with a successor for recurring ones."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import User


async def complete(user: User, task: dict[str, Any], **headers: str) -> Any:
    return await user.call("POST", f"/{task['id']}/complete", headers=headers)


async def successor(user: User, response: Any) -> dict[str, Any]:
    """The task that the answer's Link leads to."""
    link = response.headers["Link"]
    assert link.endswith('>; rel="successor"')
    found = await user.call("GET", link[1:].partition(">")[0])
    assert found.status_code == 200
    task: dict[str, Any] = found.json()
    return task


async def test_a_task_is_completed(alice: User) -> None:
    """A task that does not recur is completed, and nothing else happens."""
    task = await alice.create()
    response = await complete(alice, task)
    done = response.json()
    now = done["updated_at"]
    assert response.status_code == 200
    assert done == {**task, "completed": True, "completed_at": now, "updated_at": now, "version": 2}
    assert response.headers["ETag"] == '"2"'
    assert "Link" not in response.headers
    assert (await alice.tasks())["items"] == [done]


async def test_a_recurring_task_gets_its_successor(alice: User) -> None:
    """The successor is the same task, open, on the next due date; both are in the feed."""
    task = await alice.create(
        description="all of them",
        priority="high",
        tags=["home"],
        due_date="2026-03-28T09:00:00+01:00",
        time_zone="Europe/Berlin",
        recurrence="FREQ=DAILY;COUNT=3",
    )
    response = await complete(alice, task)
    done, following = response.json(), await successor(alice, response)
    assert following == {
        **task,
        "id": following["id"],
        "due_date": "2026-03-29T07:00:00.000000Z",
        "recurrence": "FREQ=DAILY;COUNT=2",
        "created_at": following["created_at"],
        "updated_at": following["created_at"],
    }
    assert done["recurrence"] == task["recurrence"]
    assert (await alice.tasks())["items"] == [following, done]
    assert (await alice.tasks(completed="false"))["total"] == 1
    feed = (await alice.call("GET", f"{alice.home}/changes")).json()
    assert [item["task"] for item in feed["items"]] == [done, following]


@pytest.mark.parametrize(
    ("due_date", "recurrence", "following"),
    [
        ("2026-01-31", "FREQ=MONTHLY", "2026-03-31"),
        ("2024-02-29", "FREQ=YEARLY", "2028-02-29"),
        ("2026-03-02", "FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20260304", "2026-03-04"),
        ("2026-03-04", "FREQ=WEEKLY;BYDAY=MO,WE;UNTIL=20260304", None),
        ("2026-03-04", "FREQ=DAILY;COUNT=1", None),
        ("9999-12-30", "FREQ=DAILY", "9999-12-31"),
    ],
)
async def test_a_recurring_day_gets_the_next_day(
    alice: User, due_date: str, recurrence: str, following: str | None
) -> None:
    """A day is followed by a day; UNTIL and COUNT that are used up have no successor."""
    task = await alice.create(due_date=due_date, recurrence=recurrence)
    response = await complete(alice, task)
    assert response.status_code == 200
    if following is None:
        assert "Link" not in response.headers
        assert (await alice.tasks())["total"] == 1
    else:
        assert (await successor(alice, response))["due_date"] == following


async def test_a_count_of_three_makes_three_tasks(alice: User) -> None:
    """Completed over and over, COUNT=3 makes three tasks, each with one less to come."""
    task = await alice.create(due_date="2026-03-02", recurrence="FREQ=DAILY;COUNT=3")
    rules = [task["recurrence"]]
    while "Link" in (response := await complete(alice, task)).headers:
        task = await successor(alice, response)
        rules.append(task["recurrence"])
    assert rules == [f"FREQ=DAILY;COUNT={number}" for number in (3, 2, 1)]
    assert (await alice.tasks(completed="true"))["total"] == 3


async def test_completing_twice_is_409(alice: User) -> None:
    """A completed task is 409, and makes no second successor; an unknown one is 404."""
    task = await alice.create(due_date="2026-03-02", recurrence="FREQ=DAILY")
    assert (await complete(alice, task)).status_code == 200
    again = await complete(alice, task)
    assert again.status_code == 409
    assert again.json()["type"] == "/problems/already-completed"
    assert (await alice.tasks())["total"] == 2
    assert (await complete(alice, {"id": uuid4()})).status_code == 404


async def test_of_many_at_once_one_completes(alice: User) -> None:
    """Of many who complete a task at once one does, and there is one successor."""
    task = await alice.create(due_date="2026-03-02", recurrence="FREQ=DAILY")
    answers = await asyncio.gather(*(complete(alice, task) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    assert (await alice.tasks())["total"] == 2


async def test_a_repeated_key_makes_one_successor(alice: User) -> None:
    """With a key a repeat gets the same successor, and makes none."""
    task = await alice.create(due_date="2026-03-02", recurrence="FREQ=DAILY")
    key = {"Idempotency-Key": "once"}
    first, second = [await complete(alice, task, **key) for _ in range(2)]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (second.content, second.headers["Link"]) == (first.content, first.headers["Link"])
    assert (await alice.tasks())["total"] == 2


async def test_a_failed_if_match_is_412_and_changes_nothing(alice: User) -> None:
    """`If-Match` that fails is 412, and nothing is changed."""
    task = await alice.create(due_date="2026-03-02", recurrence="FREQ=DAILY")
    assert (await complete(alice, task, **{"If-Match": '"2"'})).status_code == 412
    assert (await alice.tasks())["items"] == [task]
    assert (await complete(alice, task, **{"If-Match": '"1"'})).status_code == 200


async def test_a_patch_makes_no_successor(alice: User) -> None:
    """Setting `completed` by a patch is a correction: it makes no successor."""
    task = await alice.create(due_date="2026-03-02", recurrence="FREQ=DAILY")
    await alice.call("PATCH", f"/{task['id']}", json={"completed": True})
    assert (await alice.tasks())["total"] == 1


async def test_another_owners_task_is_404(alice: User, bob: User) -> None:
    """Another's task cannot be completed."""
    task = await alice.create()
    assert (await complete(bob, task)).status_code == 404
    path = f"{alice.path}/{task['id']}/complete"
    assert (await bob.call("POST", path)).status_code == 404
    assert (await alice.tasks())["items"] == [task]
