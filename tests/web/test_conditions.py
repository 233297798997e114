"""Entity tags and conditions by RFC 9110, on tasks and on lists."""

from uuid import uuid4

import asyncpg
import pytest

from service.web.conditions import Conditions, conditions_of
from service.web.problem_types import BadRequest
from tests.conftest import User
from tests.dispatching import exchange_of


def conditions(**headers: str | list[str]) -> Conditions:
    """Those of a request with the headers."""
    lines = [
        (name.replace("_", "-").lower().encode(), line.encode("latin-1"))
        for name, given in headers.items()
        for line in ([given] if isinstance(given, str) else given)
    ]
    return conditions_of(exchange_of(lines))


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ('"3"', {"3"}),
        ('W/"3"', {"3"}),
        ('"3", W/"4" ,"5"', {"3", "4", "5"}),
        (['"3"', '"4"'], {"3", "4"}),
        (', "3",, "4"', {"3", "4"}),
        ('"a,b", "c"', {"a,b", "c"}),
        ('""', {""}),
        ('"3-gzip"', {"3"}),
        ('"3;br", "4--zstd"', {"3", "4"}),
        ('W/"3-gzip"', {"3"}),
        ('"3-other"', {"3-other"}),
        ('"é"', {"é"}),
        ("*", "*"),
        (" * ", "*"),
    ],
)
def test_both_headers_read_tags_alike(header: str | list[str], tags: object) -> None:
    """Lists, `*`, and tags as a compressing proxy marks them: both headers read them alike."""
    assert conditions(If_Match=header).match == tags
    assert conditions(If_None_Match=header).none_match == tags


@pytest.mark.parametrize(
    "header",
    ["3", "'3'", '"3', '3"', '"3" "4"', 'w/"3"', '*, "3"', '"a b"', 'W/ "3"', "**", "-", "", " "],
)
def test_a_malformed_list_of_tags_is_refused(header: str) -> None:
    """A malformed list of tags is refused, not ignored: a lost condition would let a change
    through.
    """
    for name in ("If_Match", "If_None_Match"):
        with pytest.raises(BadRequest):
            conditions(**{name: header})


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_malformed_condition_changes_nothing(alice: User, method: str) -> None:
    """A header that cannot be read is 400 on every method."""
    task = await alice.create()
    body = {"json": {"title": "b"}} if method in ("PUT", "PATCH") else {}
    response = await alice.call(method, f"/{task['id']}", headers={"If-Match": "1"}, **body)
    assert (response.status_code, response.json()["type"]) == (400, "/problems/bad-request")
    assert (await alice.tasks())["items"] == [task]


async def test_every_answer_with_a_task_has_its_version_as_tag(alice: User) -> None:
    """Create, read, put, patch and replay carry the strong tag of the version in their body; it may
    be kept, not shared.
    """
    key = {"Idempotency-Key": "one"}
    made = await alice.call("POST", json={"title": "a"}, headers=key)
    path = f"/{made.json()['id']}"
    answers = [
        made,
        await alice.call("POST", json={"title": "a"}, headers=key),
        await alice.call("GET", path),
        await alice.call("PUT", path, json={"title": "b"}),
        await alice.call("PATCH", path, json={"title": "c"}),
        await alice.call("PATCH", path, json={}),
        await alice.call(
            "PATCH", path, json={"title": "d"}, headers=key | {"Idempotency-Key": "two"}
        ),
    ]
    assert [answer.headers["ETag"] for answer in answers] == [
        '"1"',
        '"1"',
        '"1"',
        '"2"',
        '"3"',
        '"3"',
        '"4"',
    ]
    for answer in answers:
        assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
        assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": '"2"'}, 304),
        ({"If-None-Match": 'W/"2"'}, 304),
        ({"If-None-Match": '"1", "2-gzip"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"1"'}, 200),
        ({"If-Match": '"2"'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"1"'}, 412),
        ({"If-Match": 'W/"2"'}, 200),
        ({"If-Match": 'W/"1"'}, 412),
        ({"If-Match": '"2"', "If-None-Match": '"2"'}, 304),
    ],
)
async def test_a_read_with_a_current_tag_is_304(
    alice: User, headers: dict[str, str], status: int
) -> None:
    """A read with the current tag is 304 without a body; If-Match is evaluated first."""
    task = await alice.create()
    await alice.call("PATCH", f"/{task['id']}", json={"title": "b"})
    for method in ("GET", "HEAD"):
        response = await alice.call(method, f"/{task['id']}", headers=headers)
        assert (response.status_code, response.headers["ETag"]) == (status, '"2"')
        assert bool(response.content) == (status != 304 and method == "GET")


CHANGES: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    ({"If-Match": '"2"'}, True),
    ({"If-Match": '"7", "2"'}, True),
    ({"If-Match": '"2-gzip"'}, True),
    ({"If-Match": "*"}, True),
    ({"If-None-Match": '"1"'}, True),
    ({"If-Match": '"1"'}, False),
    ({"If-Match": '"02"'}, False),
    ({"If-Match": '"x"'}, False),
    ({"If-Match": 'W/"2"'}, True),
    ({"If-Match": 'W/"1"'}, False),
    ({"If-Match": f'"{10**30}"'}, False),
    ({"If-None-Match": "*"}, False),
    ({"If-None-Match": 'W/"2"'}, False),
    ({"If-Match": '"2"', "If-None-Match": '"2"'}, False),
]


@pytest.mark.parametrize(("headers", "fits"), CHANGES)
async def test_a_change_with_a_failed_condition_is_412(
    alice: User, connection: asyncpg.Connection, headers: dict[str, str], fits: bool
) -> None:
    """A change whose condition fails is 412 with the current tag, and changes nothing, not even a
    number.
    """
    everything = "SELECT t::text, o::text FROM owners AS o LEFT JOIN tasks AS t USING (owner_id)"
    for method, options in (
        ("PUT", {"json": {"title": "c"}}),
        ("PATCH", {"json": {"title": "c"}}),
        ("PATCH", {"json": {}}),
        ("DELETE", {}),
    ):
        path = f"/{(await alice.create())['id']}"
        await alice.call("PATCH", path, json={"title": "b"})
        before = await connection.fetch(everything)
        response = await alice.call(method, path, headers=headers, **options)
        assert response.is_success == fits, (method, options)
        if not fits:
            assert (response.status_code, response.headers["ETag"]) == (412, '"2"')
            assert response.json()["type"] == "/problems/precondition-failed"
            assert await connection.fetch(everything) == before, (method, options)


@pytest.mark.parametrize(
    "headers",
    [{"If-Match": '"1"'}, {"If-Match": "*"}, {"If-None-Match": "*"}, {"If-None-Match": '"1"'}],
)
async def test_a_missing_task_is_404_whatever_the_condition(
    alice: User, headers: dict[str, str]
) -> None:
    """Where there is no task the answer is 404, not 412 or 304: a condition is about something that
    is there.
    """
    await alice.create()
    for method, options in (
        ("PATCH", {"json": {"title": "c"}}),
        ("PATCH", {"json": {}}),
        ("DELETE", {}),
        ("GET", {}),
    ):
        response = await alice.call(method, f"/{uuid4()}", headers=headers, **options)
        assert response.status_code == 404, (method, options)
        assert "ETag" not in response.headers, (method, options)


async def test_an_unchanged_list_is_304(alice: User, bob: User) -> None:
    """A list's tag holds until anything of its owner changes, and for its own query only."""
    path = await alice.call("GET")
    assert (
        await alice.call("GET", headers={"If-None-Match": path.headers["ETag"]})
    ).status_code == 304
    task = await alice.create()
    query = {"limit": 10, "completed": "false"}
    first = await alice.call("GET", params=query)
    tag = {"If-None-Match": first.headers["ETag"]}
    again = await alice.call("GET", params=query, headers=tag)
    assert (again.status_code, again.content, again.headers["ETag"]) == (
        304,
        b"",
        first.headers["ETag"],
    )
    await bob.create()
    assert (await alice.call("GET", params=query, headers=tag)).status_code == 304
    assert (await alice.call("GET", headers=tag)).status_code == 200
    assert (await alice.call("GET", params={**query, "offset": 1}, headers=tag)).status_code == 200
    for method, body in (("PATCH", {"title": "b"}), ("DELETE", None)):
        assert (
            await alice.call(method, f"/{task['id']}", **({} if body is None else {"json": body}))
        ).is_success
        changed = await alice.call("GET", params=query, headers=tag)
        assert changed.status_code == 200
        tag = {"If-None-Match": changed.headers["ETag"]}
        assert (await alice.call("GET", params=query, headers=tag)).status_code == 304


async def test_a_304_of_a_list_reads_one_small_row(
    alice: User, connection: asyncpg.Connection
) -> None:
    """An unchanged list is answered even while the table of tasks is locked."""
    await alice.create()
    tag = {"If-None-Match": (await alice.call("GET")).headers["ETag"]}
    async with connection.transaction():
        await connection.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        assert (await alice.call("GET", headers=tag)).status_code == 304


async def test_an_old_tag_never_matches_a_new_task_of_the_same_id(alice: User) -> None:
    """A deleted task that is put again has a version that its earlier life never had."""
    path = f"/{uuid4()}"
    seen: set[str] = set()
    for number in range(4):
        put = await alice.call("PUT", path, json={"title": "a"})
        assert put.status_code == 201
        tags = {put.headers["ETag"]}
        for _ in range(number):
            tags.add((await alice.call("PATCH", path, json={"title": "b"})).headers["ETag"])
        assert not tags & seen
        seen |= tags
        await alice.call("DELETE", path)
