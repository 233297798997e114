"""One read of the database for each owner, however many streams."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest

from service.db.errors import QueryFailed
from service.owner import OwnerId
from service.web.hub import MAX_PER_OWNER, Hub, Page, Subscription
from service.web.problem_types import TooManyRequests, Unavailable

ALICE, BOB = OwnerId("alice"), OwnerId("bob")


def read(position: int, newest: int) -> Page:
    """A page that says where it was read from, and where the sequence stood."""
    return Page(b"", 0, position, newest, more=False)


class Database:
    """Sequences, and how often they and the pages behind a position were read."""

    def __init__(self) -> None:
        self.sequences = {ALICE: 0, BOB: 0}
        self.looks: list[OwnerId] = []
        self.reads: list[int] = []
        self.looked = asyncio.Event()
        self.away = False

    async def sequence(self, owner: OwnerId) -> int:
        self.looks.append(owner)
        self.looked.set()
        self._fail()
        return self.sequences[owner]

    async def page(self, position: int) -> Page:
        self.reads.append(position)
        await asyncio.sleep(0)
        self._fail()
        return read(position, self.sequences[ALICE])

    def _fail(self) -> None:
        if self.away:
            raise QueryFailed("owners/get", "08006")

    async def looked_at(self, times: int) -> None:
        """Wait until the sequence has been read that often."""
        while len(self.looks) < times:
            self.looked.clear()
            await asyncio.wait_for(self.looked.wait(), 10)


@contextlib.asynccontextmanager
async def running(
    database: Database, *, room: int = 100, interval: float | None = None
) -> AsyncIterator[Hub]:
    hub: Hub = Hub(room, interval, 2)
    async with hub.running(database.sequence):
        yield hub


def join(hub: Hub, database: Database, owner: OwnerId = ALICE) -> Subscription:
    return hub.join(owner, database.page)


async def test_streams_at_one_position_share_a_page() -> None:
    """Streams at one position share what is read, until there is news."""
    database = Database()
    async with running(database) as hub:
        subscriptions = [join(hub, database) for _ in range(MAX_PER_OWNER)]
        pages = await asyncio.gather(*[subscription.page(7) for subscription in subscriptions])
        assert pages == [read(7, 0)] * MAX_PER_OWNER
        assert await subscriptions[0].page(7) == read(7, 0)
        assert database.reads == [7]
        hub.written(ALICE)
        await asyncio.gather(*[subscription.page(7) for subscription in subscriptions])
        assert database.reads == [7, 7]


async def test_a_write_wakes_its_owners_streams_alone() -> None:
    """A write wakes every stream of its owner, and no others."""
    database = Database()
    async with running(database) as hub:
        one, two, other = join(hub, database), join(hub, database), join(hub, database, BOB)
        news = [subscription.news for subscription in (one, two, other)]
        hub.written(ALICE)
        assert [future.done() for future in news] == [True, True, False]


async def test_a_change_during_a_read_is_not_lost() -> None:
    """Who asked for a page is behind when something happens while it is read."""
    database = Database()
    async with running(database) as hub:
        subscription = join(hub, database)
        reading = subscription.page(0)
        await asyncio.sleep(0)
        hub.written(ALICE)
        page = await reading
        assert subscription.behind(page)
        assert not subscription.behind(await subscription.page(0))


async def test_a_page_with_a_change_wakes_the_owners_other_streams() -> None:
    """A page read for one stream, with a change, wakes the owner's other streams."""
    database = Database()
    async with running(database) as hub:
        one, two = join(hub, database), join(hub, database)
        old = await one.page(0)
        news = one.news
        database.sequences[ALICE] = 5
        new = await two.page(3)
        assert news.done()
        assert (one.behind(old), two.behind(new)) == (True, False)
        assert (await one.page(0)).newest == 5


async def test_one_sequence_is_read_an_owner() -> None:
    """One sequence is read for all streams of an owner; a stream that has left is not looked
    for.
    """
    database = Database()
    async with running(database, interval=0.01) as hub:
        subscriptions = [join(hub, database) for _ in range(MAX_PER_OWNER)]
        await database.looked_at(3)
        assert len(database.looks) == 3
        for subscription in subscriptions:
            subscription.leave()
        await asyncio.sleep(0.05)
        assert len(database.looks) == 3


async def test_a_changed_sequence_wakes_streams() -> None:
    """A sequence that has moved, either way, is news; one that stands still is none."""
    database = Database()
    async with running(database, interval=0.01) as hub:
        subscription = join(hub, database)
        page = await subscription.page(0)
        await database.looked_at(3)
        assert not subscription.behind(page)
        for sequence in (5, 4):  # back when a backup was restored
            news = subscription.news
            database.sequences[ALICE] = sequence
            await asyncio.wait_for(news, 10)
            assert subscription.behind(page)
            page = await subscription.page(0)
            assert page.newest == sequence


async def test_a_sequence_seen_in_a_page_wakes_nobody_again() -> None:
    """A sequence seen in a page is not reported as news again."""
    database = Database()
    async with running(database, interval=0.01) as hub:
        subscription = join(hub, database)
        database.sequences[ALICE] = 5
        page = await subscription.page(0)
        news, looks = subscription.news, len(database.looks)
        await database.looked_at(looks + 3)
        assert not news.done()
        assert not subscription.behind(page)


async def test_without_an_interval_no_sequence_is_read() -> None:
    """`off` reads nothing by itself: a database without traffic may sleep."""
    database = Database()
    async with running(database) as hub:
        join(hub, database)
        await asyncio.sleep(0.05)
    assert database.looks == []


async def test_failed_reads_are_repeated() -> None:
    """A look that fails is followed by others; a page that fails is read again."""
    database = Database()
    async with running(database, interval=0.01) as hub:
        subscription = join(hub, database)
        database.away = True
        await database.looked_at(2)
        with pytest.raises(QueryFailed):
            await subscription.page(0)
        database.away = False
        assert await subscription.page(0) == read(0, 0)
        news, database.sequences[ALICE] = subscription.news, 1
        await asyncio.wait_for(news, 10)


async def test_concurrent_reads_are_bounded() -> None:
    """However many streams read, statements at once are few: requests need connections, too."""
    database = Database()
    inside, most = 0, 0

    async def page(position: int) -> Page:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1
        return read(position, 0)

    async with running(database) as hub:
        subscriptions = [hub.join(OwnerId(f"owner {number}"), page) for number in range(10)]
        await asyncio.gather(*[subscription.page(0) for subscription in subscriptions])
    assert most == 2


async def test_shared_reads_belong_to_no_request() -> None:
    """What is read for all is read in no request's name, and ends with no request."""
    database = Database()
    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen: list[str] = []

    async def page(position: int) -> Page:
        seen.append(name.get())
        await asyncio.sleep(0.01)
        return read(position, 0)

    async with running(database) as hub:
        name.set("a request")
        subscription, other = hub.join(ALICE, page), hub.join(ALICE, page)
        waiting = asyncio.create_task(_awaited(subscription, 0))
        shared = other.page(0)
        await asyncio.sleep(0)
        waiting.cancel()
        assert await shared == read(0, 0)
    assert seen == ["nobody"]


async def _awaited(subscription: Subscription, position: int) -> Page:
    return await asyncio.shield(subscription.page(position))


async def test_streams_an_owner_and_in_all_are_bounded() -> None:
    """An owner's ninth is too many, and so is one more than there is room for; leaving makes
    room.
    """
    database = Database()
    async with running(database, room=MAX_PER_OWNER + 1) as hub:
        subscriptions = [join(hub, database) for _ in range(MAX_PER_OWNER)]
        with pytest.raises(TooManyRequests):
            join(hub, database)
        other = join(hub, database, BOB)
        subscriptions[0].leave("gone")
        other.leave("gone")
        again = join(hub, database, BOB)
        with pytest.raises(Unavailable):
            join(hub, database, OwnerId("carol")), join(hub, database, OwnerId("dave"))
        again.leave("token")
        assert hub.ended == {"gone": 2, "token": 1}


async def test_closing_ends_every_stream() -> None:
    """The end of the process ends every stream, and later ones from their beginning."""
    database = Database()
    hub: Hub = Hub(100, 0.01, 2)
    async with hub.running(database.sequence):
        subscription = join(hub, database)
        hub.end()
        assert subscription.ended.result() == "drain"
        assert join(hub, database).ended.result() == "drain"
