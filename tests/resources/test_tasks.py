"""Tasks over HTTP: the contract's tables, on a real database."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.conftest import User

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

INJECTIONS = [
    "'; DROP TABLE tasks; --",
    "' OR '1'='1",
    "\\'; SELECT pg_sleep(10); --",
    "$1",
    ":owner_id",
    "$$ $tag$ $$",
    '"; DELETE FROM tasks WHERE "a"="a',
    "%s %(name)s {0} {title}",
    "/* */ -- \n ;",
    "NULL",
    "\\x00 \\u0000 \x01\x1f\x7f",
    "Robert'); DROP TABLE students;--",
    "名前 👩‍👩‍👧‍👦 \u202e \ufeff e\u0301",
]


async def test_create_answers_201_the_task_and_its_location(alice: User) -> None:
    """A create answers 201, the whole task, and a Location that leads to it."""
    response = await alice.call("POST", json={"title": "Buy milk", "description": "Two litres"})
    task = response.json()
    assert response.status_code == 201
    assert task == {
        "id": task["id"],
        "owner_id": "alice",
        "title": "Buy milk",
        "description": "Two litres",
        "completed": False,
        "priority": "medium",
        "tags": [],
        "due_date": None,
        "time_zone": None,
        "recurrence": None,
        "position": None,
        "completed_at": None,
        "created_at": task["created_at"],
        "updated_at": task["created_at"],
        "version": 1,
    }
    assert response.headers["Location"] == f"{alice.path}/{task['id']}"
    assert (await alice.call("GET", response.headers["Location"])).json() == task


async def test_ids_are_uuids_of_version_7(alice: User) -> None:
    """The ids are UUIDs of version 7."""
    assert UUID((await alice.create())["id"]).version == 7


async def test_times_are_utc_with_microseconds(alice: User) -> None:
    """Timestamps are RFC 3339 in UTC with `Z` and six digits."""
    task = await alice.create()
    assert INSTANT.fullmatch(task["created_at"])
    assert abs(datetime.fromisoformat(task["created_at"]) - datetime.now(UTC)) < timedelta(
        minutes=1
    )


async def test_a_zero_fraction_has_six_digits(alice: User, connection: asyncpg.Connection) -> None:
    """A timestamp whose fraction is zero still has six digits."""
    task = await alice.create()
    await connection.execute("UPDATE tasks SET created_at = '2026-01-02T03:04:05Z'")
    read = (await alice.call("GET", f"/{task['id']}")).json()
    assert read["created_at"] == "2026-01-02T03:04:05.000000Z"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"title": "a"}, {"title": "a", "description": None, "completed": False}),
        ({"title": "a" * 255}, {"title": "a" * 255}),
        (
            {"title": "😀" * 255, "description": "😀" * 2000},
            {"title": "😀" * 255, "description": "😀" * 2000},
        ),
        ({"title": " a "}, {"title": " a "}),
        ({"title": "a", "description": None}, {"description": None}),
        ({"title": "a", "description": ""}, {"description": ""}),
        ({"title": "a", "description": "  "}, {"description": "  "}),
        ({"title": "a", "completed": True}, {"completed": True}),
    ],
)
async def test_create_stores_what_the_contract_allows(
    alice: User, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    """What the contract allows is stored and answered as it was sent; lengths count code points."""
    task = await alice.create(**body)
    assert {name: task[name] for name in expected} == expected
    assert (await alice.call("GET", f"/{task['id']}")).json() == task


BAD_MEMBERS = [
    ({"title": ""}, "/title", "string_too_short"),
    ({"title": "a" * 256}, "/title", "string_too_long"),
    ({"title": " \t\n\u00a0\u2003"}, "/title", "blank"),
    ({"title": None}, "/title", "string_type"),
    ({"title": 1}, "/title", "string_type"),
    ({"title": "a\x00b"}, "/title", "nul_character"),
    ({"title": "a", "description": "a" * 2001}, "/description", "string_too_long"),
    ({"title": "a", "description": "\x00"}, "/description", "nul_character"),
    ({"title": "a", "description": False}, "/description", "string_type"),
    ({"title": "a", "completed": "true"}, "/completed", "bool_type"),
    ({"title": "a", "completed": 1}, "/completed", "bool_type"),
    ({"title": "a", "completed": None}, "/completed", "bool_type"),
    ({"title": "a", "Title": "b"}, "/Title", "extra_forbidden"),
    ({"title": "a", "a/b~c": 7}, "/a~1b~0c", "extra_forbidden"),
]


@pytest.mark.parametrize(("body", "pointer", "code"), BAD_MEMBERS)
async def test_a_wrong_member_changes_nothing(
    alice: User, body: dict[str, Any], pointer: str, code: str
) -> None:
    """A wrong member is 422 with a pointer to it and its rule, on create and on change, and nothing
    is stored.
    """
    task = await alice.create()
    for method, path in (("POST", ""), ("PATCH", f"/{task['id']}")):
        response = await alice.call(method, path, json=body)
        assert response.status_code == 422, method
        assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [
            (pointer, code)
        ], method
        assert (await alice.tasks())["items"] == [task], method


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"title"',
        b"null",
        b'{"title": "a"} {}',
        b'{"title": "\xff"}',
        b'{"title": "\\ud800"}',
        b'{"title": NaN}',
        b"[" * 10_000,
        b'{"title": ' + b"1" * 5000 + b"}",
        '{"title": "a"}'.encode("utf-16"),
    ],
)
async def test_a_body_that_is_no_json_object_is_422(alice: User, content: bytes) -> None:
    """What is not a JSON object in UTF-8 is 422 and changes nothing."""
    task = await alice.create()
    for method, path in (("POST", ""), ("PATCH", f"/{task['id']}")):
        response = await alice.call(
            method, path, content=content, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 422, method
        assert response.json()["errors"], method
        assert (await alice.tasks())["items"] == [task], method


async def test_all_faults_are_listed_at_once(alice: User) -> None:
    """Every wrong member has an entry of its own."""
    response = await alice.call("POST", json={"description": 1, "completed": "no", "nope": 1})
    assert {error["pointer"] for error in response.json()["errors"]} == {
        "/title",
        "/description",
        "/completed",
        "/nope",
    }


async def test_faults_do_not_echo_what_was_sent(alice: User) -> None:
    """A refused value does not come back in the answer."""
    response = await alice.call("POST", json={"title": ["hunter2"], "completed": "hunter2"})
    assert response.status_code == 422
    assert "hunter2" not in response.text


@pytest.mark.parametrize(
    ("method", "media_type", "status"),
    [
        ("POST", "application/json", 201),
        ("POST", "Application/JSON; charset=UTF-8", 201),
        ("POST", 'application/json; charset="utf-8"', 201),
        ("POST", "application/json; charset=latin-1", 415),
        ("POST", "application/merge-patch+json", 415),
        ("POST", "text/plain", 415),
        ("POST", "application/x-www-form-urlencoded", 415),
        ("POST", "", 415),
        ("PATCH", "application/merge-patch+json", 200),
        ("PATCH", "application/json", 200),
        ("PATCH", "application/json-patch+json", 415),
    ],
)
async def test_wrong_media_types_are_415(
    alice: User, method: str, media_type: str, status: int
) -> None:
    """JSON in UTF-8 is taken, and merge patches on PATCH; all else is 415."""
    path = f"/{(await alice.create())['id']}" if method == "PATCH" else ""
    response = await alice.call(
        method, path, content=b'{"title": "a"}', headers={"Content-Type": media_type}
    )
    assert response.status_code == status


async def test_a_body_over_64_kib_is_413(alice: User) -> None:
    """A body over 64 KiB is 413; the largest sound task, fully escaped, is not."""
    escaped = "\\ud83d\\ude00"
    largest = f'{{"title": "{escaped * 255}", "description": "{escaped * 2000}"}}'
    headers = {"Content-Type": "application/json"}
    assert (await alice.call("POST", content=largest.encode(), headers=headers)).status_code == 201
    response = await alice.call("POST", content=b" " * 65_537, headers=headers)
    assert response.status_code == 413


async def test_list_is_newest_first(alice: User) -> None:
    """The list has the newest task first, and says how many there are."""
    made = [await alice.create(f"task {number}") for number in range(3)]
    assert await alice.tasks() == {
        "items": made[::-1],
        "total": 3,
        "limit": 50,
        "offset": 0,
        "next": None,
    }


async def test_equal_times_are_ordered_by_id(alice: User, connection: asyncpg.Connection) -> None:
    """Tasks of the same instant keep one order, by id, on every page."""
    ids = [(await alice.create())["id"] for _ in range(5)]
    await connection.execute("UPDATE tasks SET created_at = now()")
    paged = [(await alice.tasks(limit=1, offset=number))["items"][0]["id"] for number in range(5)]
    assert paged == sorted(ids, reverse=True)


async def test_list_filters_and_counts_before_paging(alice: User) -> None:
    """`total` counts what the filter leaves, on all pages."""
    for number in range(5):
        await alice.create(f"task {number}", completed=number % 2 == 0)
    done = await alice.tasks(completed="true", limit=2, offset=1)
    assert [task["title"] for task in done["items"]] == ["task 2", "task 0"]
    assert (done["total"], done["limit"], done["offset"]) == (3, 2, 1)
    todo = await alice.tasks(completed="false")
    assert [task["title"] for task in todo["items"]] == ["task 3", "task 1"]
    assert todo["total"] == 2


async def test_a_page_beyond_the_end_still_counts(alice: User) -> None:
    """Past the last task the page is empty and the total is right; with no tasks at all, it is
    zero.
    """
    assert await alice.tasks() == {"items": [], "total": 0, "limit": 50, "offset": 0, "next": None}
    await alice.create()
    assert await alice.tasks(offset=100_000) == {
        "items": [],
        "total": 1,
        "limit": 50,
        "offset": 100_000,
        "next": None,
    }


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%201", "limit"),
        ("limit=1e1", "limit"),
        ("limit=9999999999999999999999", "limit"),
        ("limit=%D9%A1", "limit"),  # an Arabic digit
        ("offset=-1", "offset"),
        ("offset=100001", "offset"),
        ("offset=x", "offset"),
        ("completed=yes", "completed"),
        ("completed=1", "completed"),
        ("completed=True", "completed"),
        ("completed=", "completed"),
        ("completed=%00", "completed"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_a_wrong_query_parameter_is_422(alice: User, query: str, parameter: str) -> None:
    """A known query parameter that does not parse is 422 and named."""
    response = await alice.call("GET", f"?{query}")
    assert response.status_code == 422
    assert [error["parameter"] for error in response.json()["errors"]] == [parameter]


@pytest.mark.parametrize(
    "query", ["nope=1", "nope=%00", "Limit=0", "owner_id=bob", "limit=1&nope=1&nope=2"]
)
async def test_unknown_query_parameters_are_refused(alice: User, query: str) -> None:
    """A filter that is spelt wrong must not return everything; other paths ignore what they do not
    know.
    """
    await alice.create()
    response = await alice.call("GET", f"?{query}")
    assert response.status_code == 422
    fault = response.json()["errors"][0]
    assert fault["parameter"] in ("nope", "Limit", "owner_id")
    assert fault["detail"] == "Is not a parameter of this list"
    assert (await alice.call("GET", f"{alice.home}/changes?nope=1")).status_code == 200


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({"title": "b"}, {"title": "b"}),
        ({"completed": True}, {"completed": True}),
        ({"description": "b"}, {"description": "b"}),
        ({"description": None}, {"description": None}),
        (
            {"title": "b", "description": None, "completed": True},
            {"title": "b", "description": None, "completed": True},
        ),
    ],
)
async def test_patch_changes_what_is_sent(
    alice: User, patch: dict[str, Any], changed: dict[str, Any]
) -> None:
    """Members that are sent change, null clears the description, the others stay; the answer is the
    whole task.
    """
    task = await alice.create("a", description="a")
    response = await alice.call("PATCH", f"/{task['id']}", json=patch)
    assert response.status_code == 200
    answered = response.json()
    now = answered["updated_at"]
    since = now if answered["completed"] else None
    assert answered == {**task, **changed, "updated_at": now, "completed_at": since, "version": 2}
    assert now > task["updated_at"]
    assert (await alice.call("GET", f"/{task['id']}")).json() == answered


async def test_patch_raises_the_version(alice: User, connection: asyncpg.Connection) -> None:
    """The version starts at 1 and rises by one with each change."""
    task = await alice.create()
    for version in (1, 2, 3):
        assert await connection.fetchval("SELECT version FROM tasks") == version
        await alice.call("PATCH", f"/{task['id']}", json={"title": f"version {version}"})


async def test_an_empty_patch_changes_nothing(alice: User, connection: asyncpg.Connection) -> None:
    """`{}` is 200 with the task as it is: not even the row is written."""
    task = await alice.create()
    row = await connection.fetchrow("SELECT xmin::text, version FROM tasks")
    response = await alice.call("PATCH", f"/{task['id']}", json={})
    assert (response.status_code, response.json()) == (200, task)
    assert await connection.fetchrow("SELECT xmin::text, version FROM tasks") == row


async def test_patches_of_different_members_do_not_undo_each_other(
    alice: User, connection: asyncpg.Connection
) -> None:
    """Of many changes at once to different members of one task, every one lands."""
    task = await alice.create()
    patches = [{"title": "b"}, {"description": "b"}, {"completed": True}] * 5
    answers = await asyncio.gather(
        *(alice.call("PATCH", f"/{task['id']}", json=patch) for patch in patches)
    )
    assert {answer.status_code for answer in answers} == {200}
    read = (await alice.call("GET", f"/{task['id']}")).json()
    assert (read["title"], read["description"], read["completed"]) == ("b", "b", True)
    assert await connection.fetchval("SELECT version FROM tasks") == 1 + len(patches)


async def test_a_deleted_task_is_404_everywhere(alice: User) -> None:
    """A delete is 204 without a body; after it the task is nowhere, and a second delete is 404."""
    task = await alice.create()
    other = await alice.create()
    response = await alice.call("DELETE", f"/{task['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert (await alice.tasks())["items"] == [other]
    for method in ("GET", "PATCH", "DELETE"):
        assert (await alice.call(method, f"/{task['id']}", **_body(method))).status_code == 404


@pytest.mark.parametrize(
    "spell", [str, lambda id: str(id).upper(), lambda id: id.hex, lambda id: id.hex.upper()]
)
async def test_an_id_may_be_written_in_any_uuid_form(
    alice: User, spell: Callable[[UUID], str]
) -> None:
    """An id may be written with hyphens or without, in either case."""
    task = await alice.create()
    assert (await alice.call("GET", f"/{spell(UUID(task['id']))}")).json() == task


@pytest.mark.parametrize(
    "id",
    [
        "1",
        "x" * 36,
        "{0190f0f0-0000-7000-8000-000000000000}",
        "urn:uuid:0190f0f0-0000-7000-8000-000000000000",
        "0190f0f0000070008000-000000000000",
        "0190f0f0-0000-7000-8000-00000000000",
        "0190f0f0-0000-7000-8000-0000000000000",
        "0190f0f0-0000-7000-8000-00000000000g",
        "%00",
        "%F0%9F%98%80",
        "0190f0f0-0000-7000-8000-000000000000%0A",
        "%D9%A1190f0f0-0000-7000-8000-000000000000",
        "'%20OR%201=1",
    ],
)
async def test_an_id_that_is_no_uuid_is_422(alice: User, id: str) -> None:
    """What is no UUID is 422, with the parameter's name."""
    for method in ("GET", "PATCH", "DELETE"):
        response = await alice.call(method, f"/{id}", **_body(method))
        assert response.status_code == 422, method
        assert [error["parameter"] for error in response.json()["errors"]] == ["task_id"], method


@pytest.mark.parametrize("text", INJECTIONS)
async def test_sql_in_text_is_stored_as_text(
    alice: User, connection: asyncpg.Connection, text: str
) -> None:
    """SQL in any text is text: stored, listed, changed and found again, character for character."""
    bystander = await alice.create("bystander")
    task = await alice.create(text, description=text)
    assert (task["title"], task["description"]) == (text, text)
    changed = (
        await alice.call(
            "PATCH", f"/{task['id']}", json={"title": text + text, "description": text}
        )
    ).json()
    assert (changed["title"], changed["description"]) == (text + text, text)
    assert (await alice.tasks())["items"] == [changed, bystander]
    assert await connection.fetchval("SELECT count(*) FROM tasks") == 2


@pytest.mark.parametrize(
    "text",
    [
        text
        for text in INJECTIONS
        if text.isprintable() and text == text.strip() and "/" not in text
    ],
)
async def test_sql_in_a_user_id_is_an_id(user: Callable[[str], User], bob: User, text: str) -> None:
    """SQL in a user's id is an id like any other."""
    mallory = user(text)
    theirs, task = await bob.create(), await mallory.create()
    assert task["owner_id"] == text
    assert (await mallory.tasks())["items"] == [task]
    assert (await bob.tasks())["items"] == [theirs]


async def test_a_hundred_concurrent_requests_get_their_own_users_answers(
    user: Callable[[str], User],
) -> None:
    """A hundred mixed requests of ten users at once are answered correctly, each with its user's
    tasks.
    """

    async def live(somebody: User) -> None:
        one, two = await asyncio.gather(somebody.create("one"), somebody.create("two"))
        changed, gone, page, again = await asyncio.gather(
            somebody.call("PATCH", f"/{one['id']}", json={"completed": True}),
            somebody.call("DELETE", f"/{two['id']}"),
            somebody.tasks(completed="false"),
            somebody.call("GET", f"/{one['id']}"),
        )
        assert (changed.status_code, changed.json()["completed"]) == (200, True)
        assert gone.status_code == 204
        assert {task["owner_id"] for task in page["items"]} <= {somebody.id}
        assert again.json()["id"] == one["id"]
        created = await asyncio.gather(*(somebody.create(f"more {number}") for number in range(3)))
        rest = await somebody.tasks()
        assert {task["id"] for task in rest["items"]} == {
            one["id"],
            *(task["id"] for task in created),
        }

    await asyncio.gather(*(live(user(f"user {number}")) for number in range(10)))


def _body(method: str) -> dict[str, Any]:
    return {"json": {"title": "stolen"}} if method == "PATCH" else {}
