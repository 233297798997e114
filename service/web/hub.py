"""Wake streams on changes of their owner, with one read of the database for all of an owner's.

A write in this process wakes its owner's streams at once. Other processes' writes are found by
reading the owner's sequence every `interval` seconds, while the owner has a stream here. Between
reads it holds no connection, no lock and no LISTEN, which poolers in transaction mode do not
support.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable
from contextvars import Context
from typing import Any, NamedTuple, TypeVar

from ..db.errors import QueryFailed
from ..owner import OwnerId
from .exchange import turned_away
from .problem_types import TooManyRequests, Unavailable

log = logging.getLogger("service")

MAX_PER_OWNER = 8
"""Streams of one owner in one process."""
RETRY_AFTER = 5
"""Seconds after which a refused client may try again."""


T = TypeVar("T")


class Page(NamedTuple):
    """The changes after a position, as sent: the same bytes for all streams at that position."""

    content: bytes
    events: int
    """The number of events in the content."""
    position: Hashable
    """The position after them."""
    newest: int
    """The owner's sequence at the time of the read."""
    more: bool
    """Whether there are more pages now."""


Read = Callable[[Any], Awaitable[Page]]
"""Reads the page after a position."""


class Hub:
    """The streams of one process, by owner.

    Raises TooManyRequests for an owner's ninth stream, Unavailable when `room` streams are open.
    """

    def __init__(self, room: int, interval: float | None, reads: int) -> None:
        """`interval`: seconds between two reads of an owner's sequence, None for none. `reads`: how
        many statements may run at once for all streams, so that requests get connections, too.
        """
        self.room = room
        self.interval = interval
        self.reading = asyncio.Semaphore(reads)
        self.open = 0
        """The number of open streams."""
        self.events = 0
        """The number of events sent."""
        self.ended: Counter[str] = Counter()
        """The number of ended streams, by reason."""
        self._sequence: Callable[[OwnerId], Awaitable[int]] | None = None
        self._channels: dict[OwnerId, Channel] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ending = False

    @contextlib.asynccontextmanager
    async def running(self, sequence: Callable[[OwnerId], Awaitable[int]]) -> AsyncIterator[None]:
        """Read owners' sequences by `sequence` for the `async with` block, whose end ends all
        streams.
        """
        self._sequence = sequence
        try:
            yield
        finally:
            self.end()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def written(self, owner: OwnerId) -> None:
        """Wake the owner's streams: this process has written for the owner."""
        if (channel := self._channels.get(owner)) is not None:
            channel.written()

    def end(self) -> None:
        """End every stream. New ones end after they have sent what their client missed."""
        self._ending = True
        for channel in self._channels.values():
            for subscription in channel.subscriptions:
                subscription.end("drain")

    def join(self, owner: OwnerId, read: Read) -> "Subscription":
        """Return a subscription for a new stream of the owner's; call its `leave` at the end.
        `read` reads the page after a position.
        """
        channel = self._channels.get(owner)
        if channel is not None and len(channel.subscriptions) >= MAX_PER_OWNER:
            turned_away("streams")
            raise TooManyRequests("Too many streams at once", retry_after=RETRY_AFTER)
        if self.open >= self.room:
            turned_away("streams-room")
            raise Unavailable("Too many streams at once")
        if channel is None:
            channel = self._channels[owner] = Channel(self, owner, read)
        self.open += 1
        subscription = Subscription(channel)
        if self._ending:
            subscription.end("drain")
        return subscription

    def left(self, channel: "Channel") -> None:
        """Forget a stream, and its owner with the last one."""
        self.open -= 1
        if not channel.subscriptions:
            channel.close()
            del self._channels[channel.owner]

    async def sequence(self, owner: OwnerId) -> int:
        """Return the owner's current sequence."""
        assert self._sequence is not None
        async with self.reading:
            return await self._sequence(owner)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a task for all streams, outside any request's context: without its deadline, id or
        calls.
        """
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # waiting streams handle it, if there are any


class Channel:
    """The streams of one owner."""

    def __init__(self, hub: Hub, owner: OwnerId, read: Read) -> None:
        self.owner = owner
        self.subscriptions: set[Subscription] = set()
        self.hub = hub
        self.writes = 0
        """The number of this process's writes, whose sequences are not known here."""
        self.sequence = -1
        """The owner's sequence, as last read."""
        self._read_page = read
        self._loop = asyncio.get_running_loop()
        self.news: asyncio.Future[None] = self._loop.create_future()
        """Done when writes or sequence change."""
        self._looked = self._loop.time()
        self._key: Hashable = None
        self._page: asyncio.Task[Page] | None = None
        self._watching = None if hub.interval is None else hub.start(self._watch(hub.interval))

    def written(self) -> None:
        """Note a write of this process for the owner."""
        self.writes += 1
        self._ring()

    def page(self, position: Hashable) -> "asyncio.Task[Page]":
        """Read the page after a position, once for all streams, until there is news."""
        key = (position, self.writes)
        if self._page is None or self._key != key or not self._current(self._page):
            self._key, self._page = key, self.hub.start(self._read(position))
        return self._page

    def close(self) -> None:
        """Stop watching."""
        if self._watching is not None:
            self._watching.cancel()

    def _current(self, page: "asyncio.Task[Page]") -> bool:
        if not page.done():
            return True
        failed = page.cancelled() or page.exception() is not None
        return not failed and page.result().newest == self.sequence

    async def _read(self, position: Hashable) -> Page:
        async with self.hub.reading:
            page = await self._read_page(position)
        self._saw(page.newest)
        return page

    async def _watch(self, interval: float) -> None:
        """Watch for other processes' changes."""
        while True:
            await asyncio.sleep(self._looked + interval - self._loop.time())
            if self._loop.time() < self._looked + interval:
                continue  # a page read meanwhile had the sequence
            self._looked = self._loop.time()
            try:
                self._saw(await self.hub.sequence(self.owner))
            except QueryFailed as error:
                log.debug("streams cannot poll for changes: %s", error)

    def _saw(self, sequence: int) -> None:
        self._looked = self._loop.time()
        if sequence != self.sequence:
            self.sequence = sequence
            self._ring()

    def _ring(self) -> None:
        self.news.set_result(None)
        self.news = self._loop.create_future()


class Subscription:
    """One stream among its owner's."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        channel.subscriptions.add(self)
        self._writes = channel.writes
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the reason when the stream must end."""

    def page(self, position: Hashable) -> "asyncio.Task[Page]":
        """Read the page after a position. It is shared: never cancel it."""
        self._writes = self._channel.writes
        return self._channel.page(position)

    def behind(self, page: Page) -> bool:
        """Return whether there may be changes after `page`, the last page read."""
        return (self._writes, page.newest) != (self._channel.writes, self._channel.sequence)

    @property
    def news(self) -> "asyncio.Future[None]":
        """Return a future that is done when there may be new changes."""
        return self._channel.news

    def end(self, why: str) -> None:
        """End the stream. The first reason counts."""
        if not self.ended.done():
            self.ended.set_result(why)

    def sent(self, events: int) -> None:
        """Count events."""
        self._channel.hub.events += events

    def leave(self, why: str = "") -> None:
        """Leave. `why`: the reason to count, if any."""
        hub = self._channel.hub
        self._channel.subscriptions.discard(self)
        if why:
            hub.ended[why] += 1
        hub.left(self._channel)
