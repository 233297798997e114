"""A semaphore with a bounded and fair queue, in which every wait has a timeout."""

import asyncio
from typing import Generic, TypeVar

from ..fair_queue import FairQueue
from ..owner import Nobody, OwnerId

Thing = TypeVar("Thing")


class QueueFull(TimeoutError):
    """The queue is full, and this owner has the most callers in it."""


class Gate(Generic[Thing]):
    """A semaphore for `room` callers; `queue` more may wait, owner by owner in turn.

    In a full queue the owner with the most callers loses the newest. A caller may leave a thing for
    the next one.
    """

    def __init__(self, room: int, queue: int) -> None:
        self._room = self._free = room
        self._queue = queue
        self._waiters: FairQueue[OwnerId | Nobody, asyncio.Future[Thing | None]] = FairQueue()
        self._left: list[Thing] = []
        self._drained: asyncio.Future[None] | None = None

    @property
    def waiting(self) -> int:
        """Return how many callers wait."""
        return self._waiters.size

    @property
    def left(self) -> tuple[Thing, ...]:
        """Return the things that were left and are not yet taken."""
        return tuple(self._left)

    def take(self) -> Thing | None:
        """Take a turn with the thing left last; return None if that would need a wait."""
        return self._left.pop() if self._left else None

    async def enter(self, owner: OwnerId | Nobody, timeout: float) -> Thing | None:
        """Take a turn within `timeout` seconds. Return the thing left last, or None.

        Raises QueueFull or TimeoutError.
        """
        if self._left:
            return self._left.pop()
        if self._free:
            self._free -= 1
            return None
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Thing | None] = loop.create_future()
        self._waiters.append(owner, waiter)
        if self._waiters.size > self._queue:
            _, surplus = self._waiters.pop()
            _fail(surplus, QueueFull())
        # A timer costs a tenth of asyncio.timeout.
        timer = loop.call_later(timeout, _fail, waiter, TimeoutError())
        try:
            return await waiter
        except (TimeoutError, asyncio.CancelledError):
            self._waiters.discard(owner, waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.leave(waiter.result())  # the turn came at the same moment
            raise
        finally:
            timer.cancel()

    def leave(self, thing: Thing | None = None) -> None:
        """End a turn, and give it to the next caller that waits."""
        while self._waiters.size:
            _, waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(thing)
                return
        if thing is None:
            self._free += 1
        else:
            self._left.append(thing)
        if self._drained is not None and not self._drained.done() and self._all_left:
            self._drained.set_result(None)

    def clear(self) -> list[Thing]:
        """Remove and return the things that were left."""
        things, self._left = self._left, []
        self._free += len(things)
        return things

    async def drained(self) -> None:
        """Wait until all turns have ended, and nobody waits for one."""
        if not self._all_left:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    @property
    def _all_left(self) -> bool:
        return self._free + len(self._left) == self._room


def _fail(waiter: asyncio.Future[Thing], error: TimeoutError) -> None:
    if not waiter.done():
        waiter.set_exception(error)
