"""The members of a task through HTTP: valid values return, invalid ones are refused."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.conftest import User

NINE = "2026-03-02T09:00:00+01:00"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ({}, {"priority": "medium", "tags": [], "due_date": None, "completed_at": None}),
        ({"priority": "high"}, {}),
        ({"priority": "low"}, {}),
        ({"tags": ["b", "a", "B", "ä", "買い物", "👩‍👩‍👧", "two words"]}, {}),
        ({"tags": [f"{number:02}" + "😀" * 48 for number in range(20)]}, {}),
        ({"due_date": "2026-03-02"}, {}),
        ({"due_date": NINE}, {"due_date": "2026-03-02T08:00:00.000000Z"}),
        (
            {"due_date": NINE, "time_zone": "Europe/Berlin", "recurrence": "freq=daily"},
            {"due_date": "2026-03-02T08:00:00.000000Z"},
        ),
        ({"due_date": "2026-03-02", "recurrence": "FREQ=WEEKLY;BYDAY=MO,WE"}, {}),
    ],
)
async def test_every_answer_has_the_members_sent(
    alice: User, sent: dict[str, Any], shown: dict[str, Any]
) -> None:
    """What was sent is what every answer has: of create, put, read, list and feed."""
    made = await alice.create(**sent)
    assert {**made, **sent, **shown} == made
    assert (await alice.call("GET", f"/{made['id']}")).json() == made
    assert (await alice.tasks())["items"] == [made]
    feed = (await alice.call("GET", f"{alice.home}/changes")).json()
    assert [item["task"] for item in feed["items"]] == [made]
    put = (await alice.call("PUT", f"/{uuid4()}", json={"title": "Buy milk", **sent})).json()
    times = ("id", "created_at", "updated_at", "version")
    assert {**put, **{name: made[name] for name in times}} == made


BAD = [
    ({"priority": "urgent"}, "priority", "Must be `low`, `medium` or `high`"),
    ({"priority": None}, "priority", "Must be `low`, `medium` or `high`"),
    ({"tags": None}, "tags", "Must be a list"),
    ({"tags": "home"}, "tags", "Must be a list"),
    ({"tags": ["a", "b", "a"]}, "tags", "no tag twice"),
    ({"tags": [str(number) for number in range(21)]}, "tags", "Must have 20 items or fewer"),
    ({"tags": [""]}, "tags/0", "Must not be empty"),
    ({"tags": ["ok", "a" * 51]}, "tags/1", "Must be 50 characters or fewer"),
    ({"tags": [" a"]}, "tags/0", "no blanks at its ends"),
    ({"tags": ["a\u3000"]}, "tags/0", "no blanks at its ends"),
    ({"tags": ["a\n"]}, "tags/0", "no control characters"),
    ({"tags": ["a\tb"]}, "tags/0", "no control characters"),
    ({"tags": ["a\u0085b"]}, "tags/0", "no control characters"),
    ({"tags": ["\x00"]}, "tags/0", "no control characters"),
    ({"tags": [1]}, "tags/0", "Must be a text"),
    ({"due_date": "tomorrow"}, "due_date", "Must be a date, 2026-03-01, or a date-time"),
    ({"due_date": "2026-02-30"}, "due_date", "Must be a date, 2026-03-01, or a date-time"),
    ({"due_date": 20260302}, "due_date", "Must be a text"),
    ({"due_date": "1812-03-02"}, "due_date", "years 1970 to 9999"),
    ({"due_date": NINE, "time_zone": "Mars/Olympus"}, "time_zone", "IANA time zone"),
    ({"time_zone": "Europe/Berlin"}, "time_zone", "a due_date that has a time"),
    (
        {"due_date": "2026-03-02", "time_zone": "Europe/Berlin"},
        "time_zone",
        "a due_date that has a time",
    ),
    ({"recurrence": "FREQ=DAILY"}, "recurrence", "Must come with a due_date"),
    (
        {"due_date": "2026-03-02", "recurrence": "FREQ=SECONDLY"},
        "recurrence",
        "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY",
    ),
    (
        {"due_date": "2026-03-02", "recurrence": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"},
        "recurrence",
        "Must occur again within 100 years",
    ),
    (
        {"due_date": "2026-03-02", "recurrence": "FREQ=DAILY;UNTIL=20260401T000000Z"},
        "recurrence",
        "UNTIL must be a date",
    ),
    ({"due_date": "2026-03-02", "recurrence": "FREQ=DAILY" * 30}, "recurrence", "255 characters"),
    ({"completed_at": 7}, "completed_at", ""),
]


@pytest.mark.parametrize(("sent", "pointer", "words"), BAD)
async def test_wrong_members_are_refused(
    alice: User, sent: dict[str, Any], pointer: str, words: str
) -> None:
    """A wrong member is 422 with a pointer to it and its rule, and nothing is changed."""
    task = await alice.create()
    for method in ("POST", "PUT", "PATCH"):
        path = "" if method == "POST" else f"/{task['id']}"
        response = await alice.call(method, path, json={"title": "x", **sent})
        assert response.status_code == 422, method
        fault = response.json()["errors"][0]
        assert fault["pointer"] == f"/{pointer}", method
        assert words in fault["detail"], method
        assert (await alice.tasks())["items"] == [task], method


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"due_date": None}, "/time_zone"),
        ({"due_date": None, "time_zone": None}, "/recurrence"),
        ({"due_date": "2026-03-02"}, "/time_zone"),
        ({"due_date": "2026-03-02", "time_zone": None}, None),
        ({"time_zone": None}, None),
        ({"time_zone": "Asia/Tokyo"}, None),
        ({"recurrence": "FREQ=YEARLY;INTERVAL=1000"}, "/recurrence"),
        ({"due_date": None, "time_zone": None, "recurrence": None}, None),
        ({"due_date": None, "recurrence": None}, "/time_zone"),
        ({"title": "x"}, None),
    ],
)
async def test_a_patch_is_checked_with_the_unchanged_members(
    alice: User, patch: dict[str, Any], pointer: str | None
) -> None:
    """A patch of the schedule is checked together with the task's other members."""
    task = await alice.create(due_date=NINE, time_zone="Europe/Berlin", recurrence="FREQ=DAILY")
    response = await alice.call("PATCH", f"/{task['id']}", json=patch)
    if pointer is None:
        assert response.status_code == 200
        assert {**task, **patch}["time_zone"] == response.json()["time_zone"]
        assert response.json()["version"] == 2
    else:
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"] == pointer
        assert (await alice.tasks())["items"] == [task]


async def test_completed_at_is_the_last_completion(
    alice: User, connection: asyncpg.Connection
) -> None:
    """`completed_at` is when the task was last completed: later changes leave it, and it goes when
    the task is open again.
    """
    task = await alice.create(completed=True)
    assert task["completed_at"] == task["created_at"]
    changed = (await alice.call("PATCH", f"/{task['id']}", json={"title": "b"})).json()
    assert changed["completed_at"] == task["completed_at"]
    put = (await alice.call("PUT", f"/{task['id']}", json={"title": "c", "completed": True})).json()
    assert put["completed_at"] == task["completed_at"]
    opened = (await alice.call("PATCH", f"/{task['id']}", json={"completed": False})).json()
    assert opened["completed_at"] is None
    again = (await alice.call("PATCH", f"/{task['id']}", json={"completed": True})).json()
    assert again["completed_at"] == again["updated_at"] > task["completed_at"]


async def test_a_tasks_size_is_its_text_in_utf8(
    alice: User, connection: asyncpg.Connection
) -> None:
    """Title, description, tags and recurrence are what a task weighs, in bytes of UTF-8, however it
    came to be what it is.
    """
    members = {"description": "ü", "tags": ["😀", "b"], "due_date": "2026-03-02"}
    made = await alice.create("ab", recurrence="FREQ=DAILY", **members)
    assert await connection.fetchval("SELECT bytes FROM owners") == 2 + 2 + 4 + 1 + 10
    await alice.call("PATCH", f"/{made['id']}", json={"tags": ["xyz"], "recurrence": None})
    assert await connection.fetchval("SELECT bytes FROM owners") == 2 + 2 + 3
    await alice.call("PUT", f"/{made['id']}", json={"title": "ab", "tags": ["é"]})
    assert await connection.fetchval("SELECT bytes FROM owners") == 2 + 2
    assert await connection.fetchval("SELECT size FROM tasks") == 2 + 2


CHANGES: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]], int]] = [
    ("as it was", lambda _: {}, 200),
    ("other times", lambda _: {"created_at": "x", "updated_at": "y", "completed_at": None}, 200),
    ("other id", lambda _: {"id": str(uuid4())}, 422),
    ("no id", lambda _: {"id": None}, 422),
    ("id in capitals", lambda task: {"id": task["id"].upper()}, 200),
    ("other owner", lambda _: {"owner_id": "bob"}, 422),
    ("stale version", lambda task: {"version": task["version"] + 1}, 412),
    ("no version", lambda _: {"version": None}, 422),
    ("a stranger", lambda _: {"sequence": 1}, 422),
]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(("case", "changes", "status"), CHANGES)
async def test_a_get_answer_is_a_valid_put_and_patch_body(
    alice: User,
    method: str,
    case: str,
    changes: Callable[[dict[str, Any]], dict[str, Any]],
    status: int,
) -> None:
    """The whole answer of a GET, one member changed, is a sound body of PUT and PATCH, unless what
    it has beside is not so.
    """
    made = await alice.create(due_date=NINE, time_zone="Europe/Berlin", recurrence="FREQ=DAILY")
    task = (await alice.call("GET", f"/{made['id']}")).json()
    body = {**task, "title": "changed", **changes(task)}
    response = await alice.call(method, f"/{task['id']}", json=body)
    assert response.status_code == status
    after = (await alice.call("GET", f"/{made['id']}")).json()
    if status == 200:
        now = after["updated_at"]
        assert after == {**task, "title": "changed", "updated_at": now, "version": 2}
    else:
        assert after == task


async def test_a_version_in_a_body_is_a_precondition(alice: User) -> None:
    """`version` in a body and `If-Match` must both hold, and a put with a version never creates."""
    task = await alice.create()
    path = f"/{task['id']}"
    for tag, status in (('"1"', 200), ('"1"', 412), ("*", 412)):
        body = {"version": 1, "title": "x"}
        response = await alice.call("PATCH", path, json=body, headers={"If-Match": tag})
        assert response.status_code == status
    both = await alice.call(
        "PATCH", path, json={"version": 2, "title": "x"}, headers={"If-Match": '"1"'}
    )
    assert both.status_code == 412
    new = await alice.call("PUT", f"/{uuid4()}", json={"title": "x", "version": 1})
    assert new.status_code == 412


async def test_a_post_with_read_only_members_is_refused(alice: User) -> None:
    """A POST makes a new task: an id, a version or a time in it is a mistake."""
    task = await alice.create()
    for member in ("id", "owner_id", "created_at", "updated_at", "completed_at", "version"):
        response = await alice.call("POST", json={"title": "x", member: task[member]})
        assert response.json()["errors"][0]["pointer"] == f"/{member}"
