"""Cursors: every task once despite concurrent changes, and only the list's own cursors."""

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pytest

from service.resources.paging import MAX_PAGE_BYTES
from tests.conftest import User


def links(response: httpx.Response) -> dict[str, str]:
    """The Link header's targets by their relation."""
    return {str(name): link["url"] for name, link in response.links.items()}


async def walk(user: User, **query: Any) -> list[str]:
    """The titles on all pages, by the links alone."""
    titles: list[str] = []
    response = await user.call("GET", params=query)
    # More than any list here: a page that repeats itself must not repeat for ever
    while len(titles) < 50:
        assert response.status_code == 200
        titles += [task["title"] for task in response.json()["items"]]
        if "next" not in links(response):
            assert response.json()["next"] is None
            return titles
        response = await user.call("GET", links(response)["next"])
    raise AssertionError(titles)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_links_lead_through_every_task_once(alice: User, limit: int) -> None:
    """The links lead through every task once, newest first, whether the last page is full or
    not.
    """
    for number in range(7):
        await alice.create(str(number))
    assert await walk(alice, limit=limit) == list("6543210")


async def test_tasks_of_one_instant_are_paged_by_id(
    alice: User, connection: asyncpg.Connection
) -> None:
    """Where tasks share an instant, the id keeps them apart."""
    for number in range(5):
        await alice.create(str(number))
    await connection.execute("UPDATE tasks SET created_at = '2026-01-02T03:04:05Z'")
    assert sorted(await walk(alice, limit=2)) == list("01234")


async def test_a_cursor_keeps_its_filter(alice: User) -> None:
    """The next page has the filter and the limit of the first."""
    for number in range(6):
        await alice.create(str(number), completed=number % 2 == 0)
    assert await walk(alice, completed="true", limit=1) == ["4", "2", "0"]


async def test_tasks_created_or_deleted_meanwhile_move_no_page(alice: User) -> None:
    """Tasks created and deleted during paging neither repeat nor hide others."""
    made = [await alice.create(str(number)) for number in range(6)]
    first = (await alice.tasks(limit=2))["next"]
    await alice.create("new")
    await alice.call("DELETE", f"/{made[4]['id']}")  # the very task that the cursor stands at
    await alice.call("DELETE", f"/{made[2]['id']}")
    second = await alice.tasks(limit=2, cursor=first)
    assert [task["title"] for task in second["items"]] == ["3", "1"]
    assert (second["total"], second["offset"]) == (5, None)
    assert [
        task["title"] for task in (await alice.tasks(limit=2, cursor=second["next"]))["items"]
    ] == ["0"]


async def test_first_leads_back_and_an_empty_list_has_no_next(alice: User) -> None:
    """`first` leads back to the first page; an empty list has no next."""
    response = await alice.call("GET", params={"limit": 5})
    assert links(response).keys() == {"first"}
    assert parse_qs(urlsplit(links(response)["first"]).query) == {"limit": ["5"]}


@pytest.mark.parametrize("id", ["名前", "a b", "a<b>c", 'a"b', "a;b,c", "100%"])
async def test_links_work_for_unusual_user_ids(user: Any, id: str) -> None:
    """Location and Link lead on for users whose ids no header could hold as they are."""
    somebody = user(id)
    created = await somebody.call("POST", json={"title": "1"})
    assert (await somebody.call("GET", created.headers["Location"])).json() == created.json()
    await somebody.create("2")
    assert await walk(somebody, limit=1) == ["2", "1"]


async def test_another_owners_or_filters_cursor_is_422(alice: User, bob: User) -> None:
    """A cursor is of one owner and one filter: under any other it is 422."""
    for somebody in (alice, bob):
        await somebody.create("1")
        await somebody.create("2")
    cursor = (await alice.tasks(limit=1))["next"]
    assert (await alice.call("GET", params={"cursor": cursor})).status_code == 200
    for somebody, query in (
        (bob, {}),
        (alice, {"completed": "false"}),
        (alice, {"completed": "true"}),
        (alice, {"offset": 1}),
    ):
        response = await somebody.call("GET", params={"cursor": cursor, **query})
        assert response.status_code == 422
        assert response.json()["errors"][0]["parameter"] in ("cursor", "offset")


async def test_a_forged_cursor_is_422(alice: User) -> None:
    """A cursor with any one bit changed, or any other text, is 422 and named."""
    await alice.create("1")
    await alice.create("2")
    cursor = (await alice.tasks(limit=1))["next"]
    sealed = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    forged = []
    for bit in range(0, len(sealed) * 8, 5):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        forged.append(base64.urlsafe_b64encode(changed).rstrip(b"=").decode())
    for text in (*forged, "", "x", cursor[:-1], cursor + "A", cursor + "=", "é", "\x00", "a" * 513):
        response = await alice.call("GET", params={"cursor": text})
        assert (response.status_code, response.json()["errors"][0]["parameter"]) == (
            422,
            "cursor",
        ), text


async def test_offset_zero_is_allowed_with_a_cursor(alice: User) -> None:
    """Clients that send every default with every request can page too."""
    await alice.create("1")
    await alice.create("2")
    cursor = (await alice.tasks(limit=1))["next"]
    assert [task["title"] for task in (await alice.tasks(cursor=cursor, offset=0))["items"]] == [
        "1"
    ]


async def test_a_page_of_long_tasks_ends_early(alice: User) -> None:
    """However long the tasks are, a page has its bound in bytes; by cursor, and by adding `limit`
    to `offset`, every task is there once.
    """
    description = "\U0001f600" * 2000
    for number in range(40):
        await alice.create(str(number), description=description)
    titles = [str(number) for number in reversed(range(40))]
    pages = [await alice.call("GET", params={"limit": 100})]
    while "next" in links(pages[-1]):
        pages.append(await alice.call("GET", links(pages[-1])["next"]))
    assert all(len(page.content) <= MAX_PAGE_BYTES for page in pages)
    assert [task["title"] for page in pages for task in page.json()["items"]] == titles
    found: list[str] = []
    while len(found) < 40:
        page = await alice.tasks(limit=100, offset=len(found))
        assert page["limit"] == (len(page["items"]) if len(found) < 20 else 100)
        found += [task["title"] for task in page["items"]]
    assert found == titles


async def test_a_feed_of_long_tasks_ends_early(alice: User) -> None:
    """A page of the feed has the same bound, and `next` leads to the rest."""
    description = "\U0001f600" * 2000
    for number in range(40):
        await alice.create(str(number), description=description)
    titles: list[str] = []
    query: dict[str, Any] = {"limit": 500}
    more = True
    while more:
        response = await alice.call("GET", f"{alice.home}/changes", params=query)
        assert len(response.content) <= MAX_PAGE_BYTES
        page = response.json()
        titles += [change["task"]["title"] for change in page["items"]]
        more, query["since"] = page["more"], page["next"]
    assert titles == [str(number) for number in range(40)]
