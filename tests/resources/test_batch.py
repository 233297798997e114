"""Batches through HTTP: all operations or none, each like a single request."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.app import Application
from service.resources import transactions
from service.resources.quotas import Quotas
from tests.conftest import User
from tests.streams import Reader

Json = dict[str, Any]
SEQUENCES = "SELECT sequence FROM owners WHERE owner_id = 'alice'"
DAILY = {"due_date": "2026-03-02", "recurrence": "FREQ=DAILY"}


async def batch(user: User, *operations: Json, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await user.call("POST", "/batch", json={"operations": operations}, headers=named)


async def results(user: User, *operations: Json) -> list[Json]:
    """Return the results of operations that all succeed."""
    response = await batch(user, *operations)
    assert response.status_code == 200, response.text
    found: list[Json] = response.json()["results"]
    return found


def create(title: str = "a", **members: Any) -> Json:
    return {"op": "create", "task": {"title": title, **members}}


async def stored(connection: asyncpg.Connection) -> list[str]:
    """Every row that there is."""
    return [
        row["t"]
        for table in ("tasks", "owners", "idempotency_keys")
        for row in await connection.fetch(f"SELECT t::text FROM {table} AS t ORDER BY 1")
    ]


async def test_each_operation_answers_as_its_request(alice: User) -> None:
    """Each operation answers as its request does, and finds what those before it have left."""
    old, recurring = await alice.create("old"), await alice.create("daily", **DAILY)
    new = str(uuid4())
    found = await results(
        alice,
        create("first"),
        {"op": "put", "id": new, "task": {"title": "put"}, "if_none_match": "*"},
        {"op": "put", "id": new, "task": {"title": "replaced", "tags": ["x"]}},
        {"op": "patch", "id": old["id"], "if_match": 1, "patch": {"title": "patched"}},
        {"op": "complete", "id": recurring["id"], "if_match": 1},
        {"op": "delete", "id": new},
    )
    assert [each["status"] for each in found] == [201, 201, 200, 200, 200, 204]
    assert found[5] == {"status": 204}
    assert [each["task"]["title"] for each in found[:5]] == [
        *("first", "put", "replaced", "patched", "daily")
    ]
    for number in (0, 3, 4):
        task = found[number]["task"]
        assert (await alice.call("GET", f"/{task['id']}")).json() == task
    follower = (await alice.call("GET", f"/{found[4]['successor']}")).json()
    assert (follower["due_date"], follower["completed"]) == ("2026-03-03", False)
    assert not [each for each in (*found[:4], found[5]) if "successor" in each]
    assert (await alice.call("GET", f"/{new}")).status_code == 404
    assert (await alice.tasks())["total"] == 4
    assert (await alice.tasks(completed="true"))["total"] == 1


async def test_the_feed_has_a_batchs_changes_in_order(
    alice: User, connection: asyncpg.Connection
) -> None:
    """The feed has each task that a batch changed, in the order of the operations."""
    old = await alice.create("old")
    since = (await alice.call("GET", f"{alice.home}/changes")).json()["next"]
    gone = str(uuid4())
    found = await results(
        alice,
        *(create(str(number)) for number in range(3)),
        {"op": "put", "id": gone, "task": {"title": "gone"}},
        {"op": "patch", "id": old["id"], "patch": {"title": "new"}},
        create("last"),
        {"op": "delete", "id": gone},
    )
    feed = (await alice.call("GET", f"{alice.home}/changes", params={"since": since})).json()
    order = [*(found[number]["task"]["id"] for number in (0, 1, 2, 4, 5)), gone]
    assert [item["id"] for item in feed["items"]] == order
    newest = await connection.fetchval(SEQUENCES)
    numbers = [newest - item["sequence"] for item in feed["items"]]
    assert numbers == [6, 5, 4, 2, 1, 0]


async def test_a_batch_wakes_streams_with_all_changes(app: Application, alice: User) -> None:
    """A stream has every change of a batch at once, in order."""
    reader = Reader(app, alice)
    await alice.create("before")
    assert len(await reader.next()) == 1
    found = await results(alice, *(create(str(number)) for number in range(100)))
    seen: list[str] = []
    while len(seen) < 100:
        seen += [event.data["id"] for event in await reader.next() if event.data is not None]
    assert seen == [each["task"]["id"] for each in found]
    await reader.cut()


NOBODY = "0190f0f0-0000-7000-8000-000000000000"
FAILURES: dict[str, tuple[int, str, Callable[[Json], Json]]] = {
    "patch of no task": (404, "not-found", lambda _: {"op": "patch", "id": NOBODY, "patch": {}}),
    "delete of no task": (404, "not-found", lambda _: {"op": "delete", "id": NOBODY}),
    "complete of no task": (404, "not-found", lambda _: {"op": "complete", "id": NOBODY}),
    "completed already": (
        *(409, "already-completed"),
        lambda done: {"op": "complete", "id": done["id"]},
    ),
    "patch of a stale version": (
        *(412, "precondition-failed"),
        lambda done: {"op": "patch", "id": done["id"], "if_match": 7, "patch": {"title": "b"}},
    ),
    "patch that says a stale version": (
        *(412, "precondition-failed"),
        lambda done: {"op": "patch", "id": done["id"], "patch": {"version": 7, "title": "b"}},
    ),
    "delete of a stale version": (
        *(412, "precondition-failed"),
        lambda done: {"op": "delete", "id": done["id"], "if_match": 7},
    ),
    "complete of a stale version": (
        *(412, "precondition-failed"),
        lambda done: {"op": "complete", "id": done["id"], "if_match": 7},
    ),
    "put that may not replace": (
        *(412, "precondition-failed"),
        lambda done: {**put(done["id"]), "if_none_match": "*"},
    ),
    "put that may not create": (
        *(412, "precondition-failed"),
        lambda _: {**put(NOBODY), "if_match": 1},
    ),
    "a task that is too large for the quota": (
        *(409, "quota-exceeded"),
        lambda _: create(description="x" * 2000),
    ),
    "a blank title": (422, "invalid", lambda _: create(" ")),
    "a schedule that does not fit": (422, "invalid", lambda _: create(time_zone="Europe/Berlin")),
    "a schedule that does not fit what there is": (
        *(422, "invalid"),
        lambda done: {"op": "patch", "id": done["id"], "patch": {"recurrence": "FREQ=DAILY"}},
    ),
    "another task's id": (422, "invalid", lambda done: {**put(NOBODY, id=done["id"])}),
    "no such operation": (422, "invalid", lambda _: {"op": "destroy"}),
}


def put(task_id: str, title: str = "a", **members: Any) -> Json:
    return {"op": "put", "id": task_id, "task": {"title": title, **members}}


@pytest.mark.parametrize("failure", FAILURES)
async def test_one_failed_operation_undoes_the_batch(
    app: Application, alice: User, connection: asyncpg.Connection, failure: str
) -> None:
    """The first operation that fails decides the answer, which leads to it; no row is changed."""
    app.services.quotas = Quotas(None, 1000)
    done, other = await alice.create("done", completed=True), await alice.create("other")
    before = await stored(connection)
    status, slug, operation = FAILURES[failure]
    for place in (0, 2, 4):
        operations: list[Json] = [
            create("new"),
            {"op": "patch", "id": other["id"], "patch": {"title": "patched"}},
            {"op": "delete", "id": other["id"]},
            put(str(uuid4())),
        ]
        operations.insert(place, operation(done))
        response = await batch(alice, *operations, {"op": "delete", "id": NOBODY})
        assert response.status_code == status, response.text
        problem = response.json()
        assert problem["type"] == f"/problems/{slug}"
        assert problem["pointer"] == f"/operations/{place}"
        for fault in problem.get("errors", ()):
            assert fault["pointer"].startswith(f"/operations/{place}/")
        assert response.headers.get("ETag") == (
            f'"{done["version"]}"' if status == 412 and "create" not in failure else None
        )
        assert await stored(connection) == before, place


@pytest.mark.parametrize(
    ("operations", "pointer", "detail"),
    [
        ([], "/operations", "Must have 1 item or more"),
        ([create()] * 101, "/operations", "Must have 100 items or fewer"),
        ({}, "/operations", "Must be a list"),
        ([create(), 7], "/operations/1", "Must be an object"),
        ([{}], "/operations/0/op", "Must be given"),
        (
            *([create(), {"op": "x"}], "/operations/1/op"),
            "Must be `create`, `put`, `patch`, `delete` or `complete`",
        ),
        ([{**create(), "a/b": 1}], "/operations/0/a~1b", "Is not a member of this document"),
        ([create(), create(tags=["a", 7])], "/operations/1/task/tags/1", "Must be a text"),
        ([{"op": "delete", "id": 7}], "/operations/0/id", None),
        (
            *([{"op": "delete", "id": NOBODY, "if_match": 0}], "/operations/0/if_match"),
            "Must be 1 or more",
        ),
    ],
)
async def test_a_malformed_batch_is_refused_with_a_pointer(
    alice: User, operations: Any, pointer: str, detail: str | None
) -> None:
    """What is malformed is found before anything is tried, with the pointer to it."""
    response = await alice.call("POST", "/batch", json={"operations": operations})
    assert response.status_code == 422
    [fault] = response.json()["errors"]
    assert fault["pointer"] == pointer
    assert detail in (None, fault["detail"])
    assert (await alice.tasks())["total"] == 0


async def test_a_malformed_operation_decides_before_a_failing_one(alice: User) -> None:
    """A malformed operation decides before one that only fails."""
    response = await batch(alice, {"op": "delete", "id": NOBODY}, create(""), create(""))
    assert (response.status_code, response.json()["pointer"]) == (422, "/operations/1")
    assert [fault["pointer"] for fault in response.json()["errors"]] == [
        f"/operations/{number}/task/title" for number in (1, 2)
    ]


async def test_a_repeated_member_has_a_pointer(alice: User) -> None:
    """Its pointer leads to it, however deep."""
    content = b'{"operations": [{"op": "create", "task": {"title": "a", "title": "b"}}]}'
    headers = {"Content-Type": "application/json"}
    response = await alice.call("POST", "/batch", content=content, headers=headers)
    [fault] = response.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/operations/0/task/title", "repeated")


async def test_a_batch_over_the_quota_changes_nothing(
    app: Application, alice: User, connection: asyncpg.Connection
) -> None:
    """A batch that goes over a quota changes nothing, and the pointer leads to the one that does;
    up to the last task and byte there is room.
    """
    await alice.create("x")
    before = await stored(connection)
    for quotas, usage in ((Quotas(50, None), (50, 50)), (Quotas(None, 50), (50, 50))):
        app.services.quotas = quotas
        response = await batch(alice, *[create()] * 100)
        assert (response.status_code, response.json()["pointer"]) == (409, "/operations/49")
        assert response.json()["usage"] == dict(zip(("tasks", "bytes"), usage, strict=True))
        assert await stored(connection) == before
    app.services.quotas = Quotas(50, 50)
    assert len(await results(alice, *[create()] * 49)) == 49
    assert (await batch(alice, create())).status_code == 409


async def test_an_owners_first_tasks_meet_the_quota(app: Application, alice: User) -> None:
    """The quota holds for an owner's first tasks, before there is a row to count them in."""
    app.services.quotas = Quotas(3, None)
    assert (await batch(alice, *[create()] * 4)).json()["pointer"] == "/operations/3"
    assert (await alice.tasks())["total"] == 0
    assert len(await results(alice, *[create()] * 3)) == 3


async def test_an_operation_may_use_room_made_before_it(app: Application, alice: User) -> None:
    """What an operation makes room for may follow it, not go before it."""
    app.services.quotas = Quotas(None, 10)
    task = await alice.create("1234567890")
    shorter = {"op": "patch", "id": task["id"], "patch": {"title": "1"}}
    assert (await batch(alice, create("12"), shorter)).json()["pointer"] == "/operations/0"
    assert [each["status"] for each in await results(alice, shorter, create("12"))] == [200, 201]


async def test_a_successor_needs_room(app: Application, alice: User) -> None:
    """The successor of a completed task counts towards the quota."""
    task = await alice.create(**DAILY)
    app.services.quotas = Quotas(2, None)
    response = await batch(alice, create(), {"op": "complete", "id": task["id"]})
    assert (response.status_code, response.json()["pointer"]) == (409, "/operations/1")
    assert (await alice.tasks())["items"] == [task]


async def test_operations_may_be_about_one_task(
    alice: User, connection: asyncpg.Connection
) -> None:
    """Operations of a batch may be about one task, which can be deleted and put again."""
    new = str(uuid4())
    found = await results(
        alice,
        put(new, **DAILY),
        {"op": "patch", "id": new, "patch": {"title": "b"}},
        {"op": "complete", "id": new},
        {"op": "delete", "id": new},
        {**put(new, "again"), "if_none_match": "*"},
    )
    assert [each["status"] for each in found] == [201, 200, 200, 204, 201]
    last = found[4]["task"]
    assert last["version"] > found[2]["task"]["version"]
    assert (await alice.call("GET", f"/{new}")).json() == last
    assert (await alice.tasks())["total"] == 2
    assert await connection.fetchval("SELECT trash FROM owners") == 0


async def test_a_batch_repeated_with_its_key_gets_the_first_answer(
    alice: User, connection: asyncpg.Connection
) -> None:
    """One key for all: a repeat changes nothing, and is the first answer to the byte; the same key
    on other operations is refused.
    """
    operations = [create("a"), create("b", **DAILY), put(str(uuid4()))]
    first = await batch(alice, *operations, Idempotency_Key="one")
    before = await stored(connection)
    second = await batch(alice, *operations, Idempotency_Key="one")
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.content == first.content
    assert second.headers["Idempotency-Replayed"] == "true"
    other = await batch(alice, *operations[::-1], Idempotency_Key="one")
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert await stored(connection) == before


async def test_a_404_is_repeated_for_its_key_and_a_full_quota_not(alice: User) -> None:
    """What was 404 stays so for its key, pointer and all; what there was no room for does not."""
    new = str(uuid4())
    operations = [create(), {"op": "delete", "id": new}]
    first = await batch(alice, *operations, Idempotency_Key="one")
    await alice.call("PUT", f"/{new}", json={"title": "there now"})
    second = await batch(alice, *operations, Idempotency_Key="one")
    assert (second.status_code, second.content) == (404, first.content)
    assert second.json()["pointer"] == "/operations/1"
    assert (await alice.tasks())["total"] == 1
    for status in (422, 200):
        title = "" if status == 422 else "a"
        response = await batch(alice, create(title), Idempotency_Key="two")
        assert response.status_code == status


MIB = 1024 * 1024


@pytest.mark.parametrize(("size", "status"), [(MIB, 200), (MIB + 1, 413)])
async def test_a_batch_may_have_1_mib(alice: User, size: int, status: int) -> None:
    """A batch may have 1 MiB, and no byte more."""
    content = json.dumps({"operations": [create("x" * 255, description="y" * 2000)] * 100}).encode()
    headers = {"Content-Type": "application/json"}
    response = await alice.call("POST", "/batch", content=content.ljust(size), headers=headers)
    assert response.status_code == status
    assert (await alice.tasks())["total"] == (100 if status == 200 else 0)


async def test_other_paths_keep_their_body_limit(alice: User) -> None:
    """Every other path keeps its limit."""
    content = b'{"title": "a"}'.ljust(64 * 1024 + 1)
    headers = {"Content-Type": "application/json"}
    for method, path in (("POST", ""), ("PUT", f"/{uuid4()}"), ("PATCH", f"/{uuid4()}")):
        response = await alice.call(method, path, content=content, headers=headers)
        assert response.status_code == 413


async def test_thousands_of_unknown_members_are_one_fault(alice: User) -> None:
    """A large body of nothing but unknown members is refused for their number alone, and faults are
    as few as elsewhere.
    """
    response = await batch(alice, {**create(), **{f"member {n}": 1 for n in range(40_000)}})
    assert response.status_code == 422
    assert response.json()["errors"][0]["code"] == "too_many_members"
    response = await batch(alice, *[create("")] * 100)
    assert len(response.json()["errors"]) == 50


async def test_concurrent_batches_complete_a_task_once(
    alice: User, connection: asyncpg.Connection
) -> None:
    """Of batches that complete the same task at the same time one does, and the others change
    nothing; single writes in between are neither lost nor counted twice.
    """
    task = await alice.create("shared", **DAILY)
    shared = {"op": "complete", "id": task["id"]}
    answers = await asyncio.gather(
        *(batch(alice, shared, create(f"of {number}")) for number in range(5)),
        *(batch(alice, create(f"of {number}"), shared) for number in range(5)),
        *(alice.call("POST", json={"title": "alone"}) for _ in range(5)),
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[201] * 5, *[409] * 9]
    assert (await alice.tasks())["total"] == 1 + 1 + 1 + 5
    rows = await connection.fetch("SELECT sequence FROM tasks ORDER BY 1")
    newest = await connection.fetchval(SEQUENCES)
    assert [row["sequence"] for row in rows] == [*range(newest - len(rows) + 1, newest + 1)]


async def test_a_batch_sweeps_as_much_as_its_operations(
    alice: User, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What many operations leave behind is swept as if they were single requests."""
    ids = [each["task"]["id"] for each in await results(alice, *[create()] * 100)]
    await results(alice, *({"op": "delete", "id": task_id} for task_id in ids))
    await connection.execute("UPDATE tasks SET deleted_at = deleted_at - interval '31 days'")
    monkeypatch.setattr(transactions, "SWEEP_EVERY", 100)
    await results(alice, *[create()] * 100)
    assert await connection.fetchval("SELECT count(*) FROM tasks WHERE deleted_at IS NOT NULL") == 0


async def test_another_owners_task_or_path_is_404(
    alice: User, bob: User, connection: asyncpg.Connection
) -> None:
    """In a batch another's task is a missing one, and another's path is 404."""
    task = await alice.create()
    before = await stored(connection)
    for operation in (
        {"op": "patch", "id": task["id"], "patch": {"title": "stolen"}},
        {"op": "delete", "id": task["id"]},
        {"op": "complete", "id": task["id"]},
        {**put(task["id"]), "if_match": 1},
    ):
        response = await batch(bob, create(), operation)
        assert response.status_code in (404, 412)
        assert "ETag" not in response.headers
    stolen = await bob.call("POST", f"{alice.path}/batch", json={"operations": [create()]})
    assert stolen.status_code == 404
    assert await stored(connection) == before
    assert [each["status"] for each in await results(bob, put(task["id"], "bob's"))] == [201]
    assert (await alice.tasks())["items"] == [task]


IDS = [str(uuid4()) for _ in range(3)]
# Hardly ever a condition: most of them fail, and then nothing else is tried.
MATCH = st.integers(0, 20).map(lambda number: number if number in (1, 2) else None)
NONE = st.integers(0, 20).map(lambda number: "*" if number == 7 else None)
BODIES = st.fixed_dictionaries(
    {"title": st.sampled_from(["a", "bb", "ü"])},
    optional={
        "completed": st.booleans(),
        "tags": st.just(["x"]),
        "due_date": st.sampled_from([None, "2026-03-02", "2026-03-02T09:00:00Z"]),
        "recurrence": st.sampled_from([None, "FREQ=DAILY", "FREQ=DAILY;COUNT=1"]),
    },
)
TARGET = {"id": st.sampled_from([*IDS, IDS[0]]), "if_match": MATCH}
OPERATIONS = st.lists(
    st.fixed_dictionaries({"op": st.just("create"), "task": BODIES})
    | st.fixed_dictionaries(
        {
            "op": st.just("put"),
            **TARGET,
            "if_none_match": NONE,
            "task": BODIES,
        }
    )
    | st.fixed_dictionaries(
        {
            "op": st.just("patch"),
            **TARGET,
            "patch": BODIES.map(lambda body: {k: v for k, v in body.items() if k != "title"}),
        }
    )
    | st.fixed_dictionaries({"op": st.sampled_from(["delete", "complete"]), **TARGET}),
    min_size=2,
    max_size=8,
)


async def alone(user: User, operation: Json) -> httpx.Response:
    """The operation as a request by itself."""
    names = {"if_match": "If-Match", "if_none_match": "If-None-Match"}
    headers = {
        names[name]: value if value == "*" else f'"{value}"'
        for name, value in operation.items()
        if name in names and value is not None
    }
    path = f"/{operation.get('id')}"
    match operation["op"]:
        case "create":
            return await user.call("POST", json=operation["task"])
        case "put":
            return await user.call("PUT", path, json=operation["task"], headers=headers)
        case "patch":
            return await user.call("PATCH", path, json=operation["patch"], headers=headers)
        case "delete":
            return await user.call("DELETE", path, headers=headers)
        case _:
            return await user.call("POST", f"{path}/complete", headers=headers)


class Twin:
    """One of two owners who do the same. Their numbers begin with the clock, so they are compared
    by what they are above `base`.
    """

    def __init__(self, user: User, connection: asyncpg.Connection) -> None:
        self.user = user
        self.base = 0
        self._connection = connection

    async def moves_in(self) -> None:
        """Create two tasks, one of them recurring."""
        first, _ = await results(self.user, put(IDS[0], **DAILY), put(IDS[1]))
        self.base = first["task"]["version"] - 1

    def own(self, operations: list[Json]) -> list[Json]:
        """The operations on versions of this user's tasks."""
        return [
            {**each, "if_match": each["if_match"] + self.base} if each.get("if_match") else each
            for each in operations
        ]

    def plain(self, task: Json | None) -> Json | None:
        """A task without what differs between the two."""
        if task is None:
            return None
        made = {"owner_id", "created_at", "updated_at", "completed_at"}
        known = {name: value for name, value in task.items() if name not in made}
        known["id"] = task["id"] if task["id"] in IDS else "made"
        known["version"] -= self.base if task["version"] > self.base else 0
        return known

    async def state(self) -> list[Any]:
        """All that the feed tells, and all that is counted."""
        page = (await self.user.call("GET", f"{self.user.home}/changes")).json()
        counts = await self._connection.fetchrow(
            "SELECT sequence - $2, open, completed, trash, bytes FROM owners WHERE owner_id = $1",
            *(self.user.id, self.base),
        )
        assert counts is not None
        return [
            tuple(counts),
            *(
                (item["sequence"] - self.base, item["deleted"], self.plain(item["task"]))
                for item in page["items"]
            ),
        ]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(OPERATIONS, st.sampled_from([None, 3, 5]))
async def test_a_random_batch_equals_its_operations_or_changes_nothing(
    app: Application,
    user: Callable[[str], User],
    connection: asyncpg.Connection,
    operations: list[Json],
    quota: int | None,
) -> None:
    """A batch leaves and answers what the same operations do one by one; if one fails, it answers
    what that one does and changes nothing.
    """
    name = uuid4().hex
    whole, single = [Twin(user(f"{kind} {name}"), connection) for kind in ("whole", "single")]
    app.services.quotas = Quotas(None, None)
    for twin in (whole, single):
        await twin.moves_in()
    app.services.quotas = Quotas(quota, None)
    before = await whole.state()
    answers: list[httpx.Response] = []
    for operation in single.own(operations):
        answers.append(await alone(single.user, operation))
        if answers[-1].status_code >= 400:
            break
    response = await batch(whole.user, *whole.own(operations))
    last = answers[-1]
    if last.status_code >= 400:
        number = int(response.json()["pointer"].rpartition("/")[2])
        if number >= len(answers):  # one that is malformed, which is found first
            last = await alone(single.user, single.own(operations)[number])
            assert last.status_code == 422
        else:
            assert number == len(answers) - 1
        assert response.status_code == last.status_code
        assert response.json()["title"] == last.json()["title"]
        assert response.json().get("usage") == last.json().get("usage")
        assert await whole.state() == before
        return
    done = response.json()["results"]
    assert [each["status"] for each in done] == [answer.status_code for answer in answers]
    for each, answer in zip(done, answers, strict=True):
        task = answer.json() if answer.content else None
        assert whole.plain(each.get("task")) == single.plain(task)
        assert ("successor" in each) == ("Link" in answer.headers)
    assert await whole.state() == await single.state()
