"""Streams of changes: first what was missed, then every new change, once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from service.app import Application, create_app
from service.auth.tokens import LEEWAY, sign
from service.db.queries import Queries
from service.owner import OwnerId
from service.resources import stream
from service.server.protocol import HttpProtocol
from service.settings import Settings
from service.web import event_stream
from service.web.hub import MAX_PER_OWNER
from tests.conftest import ROLE, SECRET, User, client_of, started
from tests.streams import Reader, feed

Open = Callable[..., Reader]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Without looks at the database: what comes was woken by a write."""
    return settings.model_copy(update={"stream_poll_seconds": None})


@pytest.fixture
async def read(app: Application) -> AsyncIterator[Open]:
    """What opens streams; they are cut after the test."""
    readers: list[Reader] = []

    def open_stream(user: User, app: Application = app, **options: Any) -> Reader:
        readers.append(Reader(app, user, **options))
        return readers[-1]

    yield open_stream
    for reader in readers:
        with contextlib.suppress(asyncio.CancelledError):
            await reader.cut()


async def test_missed_changes_come_first_then_new_ones(alice: User, read: Open) -> None:
    """Each event is an item of the feed, and its `id` the feed's token behind it."""
    one, two = await alice.create("one"), await alice.create("two")
    reader = read(alice)
    events = await reader.next(2)
    assert reader.answer["content-type"] == "text/event-stream"
    three = await alice.create("three")
    await alice.call("DELETE", f"/{one['id']}")
    events += await reader.next(2)
    first = events[0].data["sequence"]
    assert [(event.event, event.data) for event in events] == [
        ("change", {"id": one["id"], "sequence": first, "deleted": False, "task": one}),
        ("change", {"id": two["id"], "sequence": first + 1, "deleted": False, "task": two}),
        ("change", {"id": three["id"], "sequence": first + 2, "deleted": False, "task": three}),
        ("change", {"id": one["id"], "sequence": first + 3, "deleted": True, "task": None}),
    ]
    for number, event in enumerate(events):
        left = (await feed(alice, since=event.id))["items"]
        assert left == [later.data for later in events[number + 1 :]]


@pytest.mark.parametrize("by", ["header", "query"])
async def test_last_event_id_or_since_continues_behind_that_event(
    alice: User, read: Open, by: str
) -> None:
    """`Last-Event-ID` or `since` leads behind that event; the header goes before the query."""
    tasks = [await alice.create(str(number)) for number in range(4)]
    events = await read(alice).next(4)
    given: dict[str, Any] = {"query": {"since": events[2 if by == "query" else 0].id}}
    if by == "header":
        given["headers"] = {"Last-Event-ID": events[2].id}
    assert [event.data["task"] for event in await read(alice, **given).next()] == tasks[3:]


async def test_a_feeds_next_continues_as_a_stream(alice: User, read: Open) -> None:
    """`next` of the feed is where a stream goes on."""
    await alice.create()
    reader = read(alice, query={"since": (await feed(alice))["next"]})
    later = await alice.create("later")
    assert [event.data["task"] for event in await reader.next()] == [later]


async def test_changes_beyond_a_page_come_in_order_and_once(
    alice: User, read: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much was missed, it comes in order and once."""
    monkeypatch.setattr(stream, "PAGE", 3)
    ids = [(await alice.create())["id"] for _ in range(10)]
    await alice.call("PATCH", f"/{ids[0]}", json={"title": "last"})
    events = await read(alice).next(10)
    assert [event.data["id"] for event in events] == [*ids[1:], ids[0]]


async def test_a_first_read_has_no_earlier_deletions(alice: User, read: Open) -> None:
    """What was deleted before a reader began with nothing is no news, also where it is cut in
    between.
    """
    tasks = [await alice.create(str(number)) for number in range(4)]
    await alice.call("DELETE", f"/{tasks[3]['id']}")
    (first, *_) = await read(alice).next(3)
    rest = read(alice, headers={"Last-Event-ID": first.id})
    later = await alice.create("later")
    assert [event.data["task"] for event in await rest.next(3)] == [*tasks[1:3], later]


async def test_an_empty_first_read_has_an_id(alice: User, read: Open) -> None:
    """Where there is no event there is an id nevertheless, so that deletions from then on come
    after a cut.
    """
    await alice.call("DELETE", f"/{(await alice.create())['id']}")
    reader = read(alice)
    await reader.until(lambda: reader.events)
    assert [(event.event, event.data) for event in reader.events] == [(None, None)]
    kept = reader.events[0].id
    await reader.cut()
    task = await alice.create()
    await alice.call("DELETE", f"/{task['id']}")
    (event,) = await read(alice, headers={"Last-Event-ID": kept}).next()
    assert (event.data["id"], event.data["deleted"]) == (task["id"], True)


async def test_another_owners_changes_reach_no_stream(alice: User, bob: User, read: Open) -> None:
    """An owner's changes neither wake nor reach another owner's streams."""
    reader = read(alice)
    await bob.create("bob's")
    task = await alice.create("alice's")
    assert [event.data["task"] for event in await reader.next()] == [task]
    assert b"bob" not in reader.body


async def test_another_replicas_changes_are_found(alice: User, settings: Settings) -> None:
    """What another replica changed is found by looking at the owner's sequence."""
    looking = settings.model_copy(update={"stream_poll_seconds": 0.05})
    async with started(looking) as here, started(settings) as there:
        reader = Reader(here, alice)
        await reader.until(lambda: reader.body)
        async with client_of(there) as client:
            task = await User(client, "alice").create("from there")
        assert [event.data["task"] for event in await reader.next()] == [task]
        await reader.cut()


async def test_an_owners_streams_share_one_statement_a_change(
    alice: User, read: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many streams an owner has, one change is one statement."""
    readers = [read(alice) for _ in range(MAX_PER_OWNER)]
    for reader in readers:
        await reader.until(lambda reader=reader: reader.body)
    statements: list[str] = []
    many: Any = Queries.many

    async def counted(self: Queries, name: str, owner: OwnerId, /, **values: object) -> object:
        statements.append(name)
        return await many(self, name, owner, **values)

    monkeypatch.setattr(Queries, "many", counted)
    task = await alice.create()
    for reader in readers:
        assert [event.data["task"] for event in await reader.next()] == [task]
    assert statements.count("changes/list") == 1


async def test_streams_hold_no_connection(
    alice: User, bob: User, settings: Settings, connection: asyncpg.Connection
) -> None:
    """Where there is one connection to the database, streams leave it to others."""
    async with started(settings.model_copy(update={"db_pool_max": 1})) as app:
        readers = [Reader(app, user) for user in (alice, bob) for _ in range(MAX_PER_OWNER)]
        for reader in readers:
            await reader.until(lambda reader=reader: reader.body)
        assert app.services.hub.open == len(readers)
        busy = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = $1 AND state <> 'idle'"
        )
        assert await connection.fetchval(busy, ROLE) == 0
        async with client_of(app) as client:
            await User(client, "alice").create()
        for reader in readers[:MAX_PER_OWNER]:
            await reader.next()
        for reader in readers:
            await reader.cut()


async def test_a_stream_outlives_the_request_timeout(alice: User, settings: Settings) -> None:
    """A stream outlives the time that a request may take."""
    async with started(settings.model_copy(update={"request_timeout": 0.5})) as app:
        reader = Reader(app, alice)
        await reader.until(lambda: reader.body)
        await asyncio.sleep(0.7)
        async with client_of(app) as client:
            await User(client, "alice").create()
        await reader.next()
        await reader.cut()


async def test_comments_come_while_nothing_changes(
    alice: User, read: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is nothing to tell, comments come."""
    monkeypatch.setattr(event_stream, "HEARTBEAT", 0.01)
    reader = read(alice)
    await reader.until(lambda: reader.parser.comments >= 3)


async def test_a_stream_ends_with_its_token(
    alice: User, read: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the token expires the stream ends, and says when to come back."""
    token = sign(SECRET, "alice", ttl=0.5 - LEEWAY + 1)
    reader = read(alice, headers={"Authorization": f"Bearer {token}"})
    await reader.ended()
    assert reader.status == 200
    assert reader.complete
    low, high = event_stream.RECONNECT
    assert low <= (reader.events[-1].retry or 0) <= high


async def test_a_drain_ends_streams_with_retry(alice: User, read: Open, app: Application) -> None:
    """When the process ends its streams do, and say when to come back; one that is opened after
    that still gets what was missed.
    """
    reader = read(alice)
    await reader.until(lambda: reader.body)
    app.services.hub.end()
    await reader.ended()
    assert reader.events[-1].retry
    task = await alice.create()
    late = read(alice)
    await late.ended()
    assert [event.data["task"] for event in late.changes] == [task]
    assert late.events[-1].retry


async def test_a_stop_without_a_drain_ends_streams(alice: User, read: Open) -> None:
    """A server that stops without a drain has its streams end, too."""
    reader = read(alice)
    await reader.until(lambda: reader.body)
    reader.stop()
    await reader.ended()
    assert reader.complete
    assert reader.events[-1].retry


async def test_an_event_batch_is_bounded_in_bytes(
    alice: User, read: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent at a time is bounded in bytes, too; all of it comes."""
    monkeypatch.setattr(stream, "PAGE_BYTES", 1000)
    tasks = [await alice.create(f"{number}" * 200) for number in range(7)]
    reader = read(alice)
    assert [event.data["task"] for event in await reader.next(7)] == tasks
    assert max(reader.pieces) < 2000


async def test_an_owners_ninth_stream_is_429(alice: User, bob: User, read: Open) -> None:
    """The ninth is 429 with Retry-After, until one of them ends; others have their own eight."""
    readers = [read(alice) for _ in range(MAX_PER_OWNER)]
    for reader in readers:
        await reader.until(lambda reader=reader: reader.body)
    ninth = read(alice)
    await ninth.ended()
    assert (ninth.status, ninth.answer["retry-after"]) == (429, "5")
    other = read(bob)
    await other.until(lambda: other.body)
    assert other.status == 200
    await readers[0].cut()
    again = read(alice)
    await again.until(lambda: again.body)
    assert again.status == 200


async def test_a_stream_over_max_streams_is_503(alice: User, bob: User, settings: Settings) -> None:
    """MAX_STREAMS bounds those of all owners: one more is 503 with Retry-After."""
    async with started(settings.model_copy(update={"max_streams": 1})) as app:
        first = Reader(app, alice)
        await first.until(lambda: first.body)
        second = Reader(app, bob)
        await second.ended()
        assert second.status == 503
        assert "retry-after" in second.answer
        await first.cut()


async def test_streams_leave_requests_connections(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a worker's connections stay free for requests, whatever MAX_STREAMS is."""
    monkeypatch.setattr(HttpProtocol, "max_connections", 100)
    assert create_app(settings).services.hub.room == 50


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"headers": {"Authorization": "Bearer x"}}, 401),
        ({"headers": {"Accept": "application/json"}}, 406),
        ({"query": {"since": "x"}}, 422),
        ({"headers": {"Last-Event-ID": "x"}}, 422),
    ],
)
async def test_refused_requests_open_no_stream(
    alice: User, read: Open, app: Application, options: Any, status: int
) -> None:
    """Unauthorised and invalid requests get their usual problems, and no stream stays open."""
    reader = read(alice, **options)
    await reader.ended()
    assert reader.status == status
    assert app.services.hub.open == 0


async def test_another_users_stream_is_404(alice: User, read: Open) -> None:
    """Another user's stream is 404."""
    reader = read(User(alice.client, "bob"), headers=alice.headers)
    await reader.ended()
    assert reader.status == 404


async def test_head_opens_no_stream(alice: User, read: Open, app: Application) -> None:
    """HEAD is the head of the stream, and opens none."""
    await alice.create()
    reader = read(alice, method="HEAD")
    await reader.ended()
    assert (reader.status, reader.answer["content-type"]) == (200, "text/event-stream")
    assert (reader.body, app.services.hub.open) == (b"", 0)


async def test_a_purged_token_is_410_and_ends_an_open_stream(
    alice: User, read: Open, app: Application, connection: asyncpg.Connection
) -> None:
    """Behind what has been forgotten there is no way on: an open stream ends, a new one is 410."""
    await alice.create()
    reader = read(alice)
    (event,) = await reader.next()
    await connection.execute("UPDATE owners SET horizon = sequence + 9, sequence = sequence + 9")
    app.services.hub.written(OwnerId("alice"))
    await reader.ended()
    assert reader.complete
    again = read(alice, headers={"Last-Event-ID": event.id})
    await again.ended()
    assert (again.status, app.services.hub.open) == (410, 0)


async def test_a_slow_reader_gets_each_task_once_in_its_latest_form(
    alice: User, read: Open, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For one who does not read no more than a page is kept; who reads again gets each task once,
    in its latest form.
    """
    monkeypatch.setattr(stream, "PAGE", 2)
    slow, quick = read(alice), read(alice)
    await slow.until(lambda: slow.body)
    slow.reads.clear()
    task = await alice.create("0")
    await quick.next()
    for number in range(1, 6):
        await alice.call("PATCH", f"/{task['id']}", json={"title": str(number)})
        await quick.next()
    slow.reads.set()
    events = await slow.next(2)
    assert [event.data["task"]["title"] for event in events] == ["0", "5"]


async def test_a_client_that_never_reads_is_cut_and_counted(
    alice: User, read: Open, app: Application
) -> None:
    """A client that is cut off because it does not read is counted."""
    reader = read(alice)
    await reader.until(lambda: reader.body)
    reader.reads.clear()
    await alice.create()
    async with asyncio.timeout(10):
        while not reader.unread:
            await asyncio.sleep(0.01)
    await reader.cut()
    assert app.services.hub.ended == {"unread": 1}


async def test_a_stream_outlives_database_faults(
    alice: User,
    read: Open,
    app: Application,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An open stream outlives the database's faults, and misses nothing."""
    monkeypatch.setattr(event_stream, "PAUSE", 0.01)
    reader = read(alice)
    await reader.until(lambda: reader.body)
    task = await alice.create()
    await connection.execute("ALTER TABLE owners RENAME TO away")
    app.services.hub.written(OwnerId("alice"))
    await asyncio.sleep(0.1)
    await connection.execute("ALTER TABLE away RENAME TO owners")
    assert task["id"] in {event.data["id"] for event in await reader.next()}


async def test_each_streams_end_is_one_log_line_and_counted(
    alice: User, read: Open, app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream's end is one line with its duration, its events and why; all are counted."""
    caplog.set_level("INFO", "service")
    reader = read(alice)
    await alice.create()
    await reader.next()
    assert app.services.hub.open == 1
    await reader.cut()
    (line,) = [record for record in caplog.records if record.message == "stream ended"]
    fields = line.__dict__["fields"]
    assert (fields["outcome"], fields["events"]) == ("gone", 1)
    assert fields["duration_ms"] > 0
    assert (app.services.hub.open, app.services.hub.events, app.services.hub.ended) == (
        0,
        1,
        {"gone": 1},
    )
