"""Filters, search and orders through HTTP, against a plain model of them in Python."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.resources import filters
from service.resources.filters import SORTS
from tests.conftest import User

MAKERS: list[dict[str, Any]] = [
    {"title": "Müll rausbringen", "tags": ["haus", "Haus"], "priority": "high"},
    {"title": "MÜLLTONNE", "description": "100% leeren", "due_date": "2026-03-01"},
    {"title": "buy milk", "due_date": "2026-03-01T23:30:00Z", "priority": "low"},
    {"title": "牛乳を買う", "due_date": "2026-03-02", "position": 2.5, "completed": True},
    {"title": "pay 👩‍👩‍👧 school", "description": "before\nnoon", "position": -1},
    {"title": "a_b", "description": "c\\d", "tags": ["100%"], "due_date": "2026-02-28"},
    {"title": "axb", "description": "Buy now", "position": 1e300, "priority": "high"},
    {"title": "Buy milk", "due_date": "2026-03-01T00:00:00+01:00", "priority": "high"},
    {"title": "zebra", "due_date": "2027-01-01", "position": 2.5, "completed": True},
]


async def titles(user: User, **query: Any) -> list[str]:
    return [task["title"] for task in (await user.tasks(**query))["items"]]


def due_at(task: dict[str, Any]) -> datetime | None:
    """A task's due date as it is ordered and filtered: a day is its first instant in UTC."""
    if task["due_date"] is None:
        return None
    found = datetime.fromisoformat(task["due_date"])
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def passes(task: dict[str, Any], query: dict[str, str]) -> bool:
    """What the contract says of the filters."""
    text = f"{task['title']}\n{task['description'] or ''}".lower()
    due = due_at(task)
    end = query.get("due_before", "")
    bound = end if "T" in end else f"{end}T23:59:59.999999Z"
    return (
        query.get("completed", str(task["completed"]).lower()) == str(task["completed"]).lower()
        and query.get("priority", task["priority"]) == task["priority"]
        and ("tag" not in query or query["tag"] in task["tags"])
        and (
            "due_before" not in query or (due is not None and due <= datetime.fromisoformat(bound))
        )
        and (
            "due_after" not in query
            or (due is not None and due >= due_at({"due_date": query["due_after"]}))  # type: ignore[operator]
        )
        and all(word.lower() in text for word in query.get("search", "").split())
    )


def place(task: dict[str, Any], sort: str) -> tuple[Any, ...]:
    """What the contract says of the orders, smallest first; ties are newest id first."""
    due = due_at(task)
    last = datetime.max.replace(tzinfo=UTC)
    seconds = datetime.fromisoformat(task["created_at"]).timestamp()
    changed = datetime.fromisoformat(task["updated_at"]).timestamp()
    orders: dict[str, tuple[Any, ...]] = {
        "-created_at": (-seconds,),
        "created_at": (seconds,),
        "due_date": (due or last,),
        "priority": (["high", "medium", "low"].index(task["priority"]), due or last),
        "-updated_at": (-changed,),
        "title": (task["title"].lower(),),
        "position": (float("inf") if task["position"] is None else task["position"],),
    }
    return (*orders[sort], -int(task["id"].replace("-", ""), 16))


FILTERS: list[dict[str, str]] = [
    {},
    {"completed": "true"},
    {"priority": "high"},
    {"priority": "low", "completed": "true"},
    {"tag": "haus"},
    {"tag": "Haus"},
    {"tag": "100%"},
    {"tag": "HAUS"},
    {"due_after": "2026-03-01"},
    {"due_before": "2026-03-01"},
    {"due_after": "2026-03-01", "due_before": "2026-03-01"},
    {"due_after": "2026-03-01T12:00:00Z", "due_before": "2026-03-01T23:30:00Z"},
    {"due_before": "2026-03-01T00:00:00+01:00"},
    {"search": "müll"},
    {"search": "MÜLL leeren"},
    {"search": "牛乳"},
    {"search": "👩‍👩‍👧"},
    {"search": "100%"},
    {"search": "a_b"},
    {"search": "c\\d"},
    {"search": "%"},
    {"search": "buy milk"},
    {"search": "before noon"},
    {"search": "nowhere"},
    {"search": "buy", "priority": "high", "completed": "false"},
]


def test_every_filter_has_a_case() -> None:
    """The table above has each filter that a list takes; the order is tried with all of them."""
    assert {name for query in FILTERS for name in query} == {*filters.FILTERS} - {"sort"}


async def test_every_filter_and_order_equals_the_model(alice: User, bob: User) -> None:
    """Every filter, in every order, on pages of every size, equals the model, with the exact
    total.
    """
    made = [await alice.create(**members) for members in MAKERS]
    for members in MAKERS:
        await bob.create(**members)
    gone = await alice.create("Müll buy milk 牛乳 👩‍👩‍👧 100% a_b", priority="high", tags=["haus"])
    await alice.call("DELETE", f"/{gone['id']}")
    for query, sort, limit in product(FILTERS, SORTS, (1, 3, 100)):
        left = [task for task in made if passes(task, query)]
        expected = sorted(left, key=partial(place, sort=sort))
        given = {**query, "sort": sort, "limit": str(limit)}
        assert await walk(alice, given) == expected, given


async def walk(user: User, query: dict[str, str]) -> list[dict[str, Any]]:
    """The tasks on all pages, whose totals must agree."""
    found: list[dict[str, Any]] = []
    totals = set()
    response = await user.call("GET", params=query)
    while True:
        assert response.status_code == 200, response.text
        page = response.json()
        found += page["items"]
        totals.add(page["total"])
        if page["next"] is None:
            assert totals == {len(found)}
            return found
        assert len(found) < 100
        response = await user.call("GET", response.links["next"]["url"])


QUERIES = st.fixed_dictionaries(
    {"sort": st.sampled_from(SORTS), "limit": st.sampled_from(["1", "2", "7"])},
    optional={
        "completed": st.sampled_from(["true", "false"]),
        "priority": st.sampled_from(["low", "medium", "high"]),
        "tag": st.sampled_from(["a", "b"]),
        "due_after": st.sampled_from(["2026-03-01", "2026-03-01T12:00:00Z"]),
        "due_before": st.sampled_from(["2026-03-02", "2026-03-01T12:00:00Z"]),
        "search": st.sampled_from(["a", "B b", "ü", "%", "_", "\\"]),
    },
)
TASKS = st.lists(
    st.fixed_dictionaries(
        {"title": st.text("abAB%_\\üÜ ", min_size=1, max_size=6).filter(str.strip)},
        optional={
            "description": st.text("abAB%_\\üÜ ", max_size=4),
            "completed": st.booleans(),
            "priority": st.sampled_from(["low", "medium", "high"]),
            "tags": st.lists(st.sampled_from(["a", "b"]), unique=True),
            "due_date": st.sampled_from(["2026-03-01", "2026-03-02", "2026-03-01T12:00:00Z"]),
            "position": st.floats(allow_nan=False, allow_infinity=False),
        },
    ),
    max_size=8,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(TASKS, QUERIES)
async def test_random_tasks_and_queries_equal_the_model(
    alice: User, made: list[dict[str, Any]], query: dict[str, str]
) -> None:
    """For random tasks and queries the pages equal the Python model's."""
    await alice.call("DELETE", alice.home, headers={"If-Match": "*"})
    tasks = [await alice.create(**members) for members in made]
    expected = sorted(
        (task for task in tasks if passes(task, query)), key=lambda task: place(task, query["sort"])
    )
    assert await walk(alice, query) == expected


async def test_concurrent_changes_neither_repeat_nor_hide_tasks(alice: User) -> None:
    """While others create, change and delete, no task that keeps its place in the order is repeated
    or missed, whatever the order.
    """
    for sort in SORTS:
        steady = [
            await alice.create(
                f"{sort} {number}", due_date=f"2026-03-{number + 10}", position=number
            )
            for number in range(8)
        ]
        mine = {task["id"] for task in steady}
        seen: list[str] = []
        response = await alice.call("GET", params={"sort": sort, "limit": 3, "search": sort})
        while True:
            seen += [task["id"] for task in response.json()["items"] if task["id"] in mine]
            if "next" not in response.links:
                break
            other = await alice.create(f"{sort} {len(seen)}.5", due_date="2026-03-12", position=1.5)
            await asyncio.gather(
                alice.create(f"{sort} x", due_date="2026-03-30", position=99),
                alice.call("DELETE", f"/{other['id']}"),
            )
            response = await alice.call("GET", response.links["next"]["url"])
        assert sorted(seen) == sorted(mine)


async def test_a_cursor_of_another_filter_or_order_is_refused(alice: User) -> None:
    """A cursor of one filter or order is refused by any other."""
    for number in range(4):
        await alice.create(f"task {number}", priority="high")
    lists: list[dict[str, Any]] = [
        {},
        {"completed": "false"},
        {"sort": "title"},
        {"sort": "created_at"},
        {"search": "task"},
        {"search": "task", "sort": "title"},
        {"priority": "high"},
    ]
    cursors = [(await alice.tasks(**query, limit=1))["next"] for query in lists]
    for query, cursor in product(lists, cursors):
        response = await alice.call("GET", params={**query, "cursor": cursor})
        own = cursors.index(cursor) == lists.index(query)
        assert response.status_code == (200 if own else 422)


async def test_a_cursor_holds_the_longest_title(alice: User) -> None:
    """A cursor holds the longest title there can be."""
    for last in "ab":
        await alice.create("\x01" * 254 + last)
    page = await alice.tasks(sort="title", limit=1)
    following = await alice.tasks(sort="title", limit=1, cursor=page["next"])
    assert [task["title"][-1] for task in page["items"] + following["items"]] == ["a", "b"]


async def test_an_unchanged_filtered_list_is_304(alice: User) -> None:
    """A filtered list has an ETag of its own, that holds until something changes."""
    await alice.create("a", priority="high")
    first = await alice.call("GET", params={"priority": "high", "sort": "title"})
    headers = {"If-None-Match": first.headers["ETag"]}
    query = {"priority": "high", "sort": "title"}
    assert (await alice.call("GET", params=query, headers=headers)).status_code == 304
    assert (await alice.call("GET", params={"priority": "low"}, headers=headers)).status_code == 200
    await alice.create("b")
    assert (await alice.call("GET", params=query, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "sort=newest",
        "sort=",
        "priority=urgent",
        "tag=",
        "tag=%00",
        "search=",
        "search=%20%20",
        "search=" + "a" * 201,
        "due_after=tomorrow",
        "due_before=2026-02-30",
        "due_before=2026-03-01T00:00:00",
        "prioritty=high",
        "complted=true",
    ],
)
async def test_a_wrong_filter_or_order_is_422(alice: User, query: str) -> None:
    """A filter or an order that is not as the contract says is 422 and named."""
    response = await alice.call("GET", f"?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["parameter"] == query.partition("=")[0]


async def test_a_bare_plus_is_an_offset(alice: User) -> None:
    """The `+` of an offset that was not percent-encoded is understood."""
    await alice.create("a", due_date="2026-03-01T10:00:00+01:00")
    assert await titles(alice, sort="title") == ["a"]
    response = await alice.call("GET", "?due_after=2026-03-01T10:00:00+01:00")
    assert response.json()["total"] == 1
    response = await alice.call("GET", "?due_after=2026-03-01T10:00:01+01:00")
    assert response.json()["total"] == 0
