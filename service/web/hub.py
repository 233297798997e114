"""Who waits for the changes of an owner, and how they learn of them: one look at the database an
owner, however many wait.

A write in this process wakes its owner's streams at once. Other processes' writes are found by
reading the owner's sequence every `interval` seconds, while the owner has a stream here. Between
reads nothing is held: no connection, no lock, no LISTEN, which poolers in transaction mode do not
pass on.
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
"""Seconds after which one that was refused may ask again."""


T = TypeVar("T")


class Page(NamedTuple):
    """What comes after a position, as it is sent: the same bytes for all streams that stand
    there.
    """

    content: bytes
    events: int
    """How many there are in the content."""
    position: Hashable
    """What is behind them."""
    newest: int
    """The owner's sequence when it was read."""
    more: bool
    """Whether there is more now."""


Read = Callable[[Any], Awaitable[Page]]
"""Reads the page after a position."""


class Hub:
    """The streams of one process, by owner.

    Raises TooManyRequests for an owner's ninth stream, Unavailable when `room` streams are open.
    """

    def __init__(self, room: int, interval: float | None, reads: int) -> None:
        """`interval`: seconds between two looks at an owner's sequence, None for none. `reads`: how
        many statements may run at once for all streams, so that requests find connections, too.
        """
        self.room = room
        self.interval = interval
        self.reading = asyncio.Semaphore(reads)
        self.open = 0
        """Streams that are open."""
        self.events = 0
        """Events that were sent so far."""
        self.ended: Counter[str] = Counter()
        """Streams that have ended so far, by why."""
        self._sequence: Callable[[OwnerId], Awaitable[int]] | None = None
        self._channels: dict[OwnerId, Channel] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ending = False

    @contextlib.asynccontextmanager
    async def running(self, sequence: Callable[[OwnerId], Awaitable[int]]) -> AsyncIterator[None]:
        """Read owners' sequences by `sequence` as long as the block lasts. Its end ends all
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
        """Wake the owner's streams: this process has changed something of the owner's."""
        if (channel := self._channels.get(owner)) is not None:
            channel.written()

    def end(self) -> None:
        """End every stream, and from now on each one that is opened as soon as it has sent what was
        missed.
        """
        self._ending = True
        for channel in self._channels.values():
            for place in channel.places:
                place.end("drain")

    def join(self, owner: OwnerId, read: Read) -> "Place":
        """Take a place among the owner's streams; `read` reads the page after a position. The place
        must be left.
        """
        channel = self._channels.get(owner)
        if channel is not None and len(channel.places) >= MAX_PER_OWNER:
            turned_away("streams")
            raise TooManyRequests("Too many streams at once", retry_after=RETRY_AFTER)
        if self.open >= self.room:
            turned_away("streams-room")
            raise Unavailable("Too many streams at once")
        if channel is None:
            channel = self._channels[owner] = Channel(self, owner, read)
        self.open += 1
        place = Place(channel)
        if self._ending:
            place.end("drain")
        return place

    def left(self, channel: "Channel") -> None:
        """Forget a stream, and its owner with the last one."""
        self.open -= 1
        if not channel.places:
            channel.close()
            del self._channels[channel.owner]

    async def sequence(self, owner: OwnerId) -> int:
        """Where the owner's sequence stands."""
        assert self._sequence is not None
        async with self.reading:
            return await self._sequence(owner)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something on behalf of all streams and no request: without any's deadline, id or
        record of calls.
        """
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # is the waiting streams' to handle; there may be none


class Channel:
    """The streams of one owner."""

    def __init__(self, hub: Hub, owner: OwnerId, read: Read) -> None:
        self.owner = owner
        self.places: set[Place] = set()
        self.hub = hub
        self.writes = 0
        """This process's writes, of which the numbers are not known."""
        self.sequence = -1
        """The owner's sequence, as last read."""
        self._read_page = read
        self._loop = asyncio.get_running_loop()
        self.news: asyncio.Future[None] = self._loop.create_future()
        """Done when one of the two changes."""
        self._looked = self._loop.time()
        self._key: Hashable = None
        self._page: asyncio.Task[Page] | None = None
        self._watching = None if hub.interval is None else hub.start(self._watch(hub.interval))

    def written(self) -> None:
        """Something of the owner's was changed in this process."""
        self.writes += 1
        self._ring()

    def page(self, position: Hashable) -> "asyncio.Task[Page]":
        """Read the page after a position: once for all that ask for it, until there is news."""
        key = (position, self.writes)
        if self._page is None or self._key != key or not self._current(self._page):
            self._key, self._page = key, self.hub.start(self._read(position))
        return self._page

    def close(self) -> None:
        """Look no longer."""
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
        """Look for changes that other processes made."""
        while True:
            await asyncio.sleep(self._looked + interval - self._loop.time())
            if self._loop.time() < self._looked + interval:
                continue  # a page was read meanwhile, which tells the same
            self._looked = self._loop.time()
            try:
                self._saw(await self.hub.sequence(self.owner))
            except QueryFailed as error:
                log.debug("streams cannot look for changes: %s", error)

    def _saw(self, sequence: int) -> None:
        self._looked = self._loop.time()
        if sequence != self.sequence:
            self.sequence = sequence
            self._ring()

    def _ring(self) -> None:
        self.news.set_result(None)
        self.news = self._loop.create_future()


class Place:
    """One stream's place among its owner's."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        channel.places.add(self)
        self._writes = channel.writes
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done when the stream is to end; why."""

    def page(self, position: Hashable) -> "asyncio.Task[Page]":
        """Read the page after a position. It is shared: never cancel it."""
        self._writes = self._channel.writes
        return self._channel.page(position)

    def behind(self, page: Page) -> bool:
        """Whether more may have happened than `page` has, the last one that was asked for."""
        return (self._writes, page.newest) != (self._channel.writes, self._channel.sequence)

    @property
    def news(self) -> "asyncio.Future[None]":
        """Done when streams may be behind that were not."""
        return self._channel.news

    def end(self, why: str) -> None:
        """End the stream. The first reason counts."""
        if not self.ended.done():
            self.ended.set_result(why)

    def sent(self, events: int) -> None:
        """Count events."""
        self._channel.hub.events += events

    def leave(self, why: str = "") -> None:
        """Give the place up. `why`: counted, where there is a reason."""
        hub = self._channel.hub
        self._channel.places.discard(self)
        if why:
            hub.ended[why] += 1
        hub.left(self._channel)
