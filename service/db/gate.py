"""A semaphore with a bounded queue: first come, first served, every wait has a timeout."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class QueueFull(TimeoutError):
    """The queue is full: one more would wait in vain."""


class Gate(Generic[Thing]):
    """A semaphore for `room` callers, first come first served; `queue` more may wait.

    A caller may leave a thing for the next one.
    """

    def __init__(self, room: int, queue: int) -> None:
        self._room = self._free = room
        self._queue = queue
        self._waiters: deque[asyncio.Future[Thing | None]] = deque()
        self._left: list[Thing] = []

    @property
    def waiting(self) -> int:
        """Return how many callers wait."""
        return len(self._waiters)

    @property
    def left(self) -> tuple[Thing, ...]:
        """Return the things that were left and are not yet taken."""
        return tuple(self._left)

    def take(self) -> Thing | None:
        """Take a turn with the thing left last; return None if that would need a wait."""
        return self._left.pop() if self._left else None

    async def enter(self, timeout: float) -> Thing | None:
        """Take a turn within `timeout` seconds. Return the thing left last, or None.

        Raises QueueFull or TimeoutError.
        """
        if not (self._left or self._free) and len(self._waiters) >= self._queue:
            raise QueueFull
        return await self._turn(timeout)

    def leave(self, thing: Thing | None = None) -> None:
        """End a turn, and give it to the caller that has waited longest."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(thing)
                return
        if thing is None:
            self._free += 1
        else:
            self._left.append(thing)

    def clear(self) -> list[Thing]:
        """Remove and return the things that were left."""
        things, self._left = self._left, []
        self._free += len(things)
        return things

    async def close(self) -> list[Thing]:
        """Take all turns, after all waiting callers, and keep them. Return the things left."""
        turns = [await self._turn() for _ in range(self._room)]
        return [thing for thing in turns if thing is not None]

    async def _turn(self, timeout: float | None = None) -> Thing | None:
        if self._left:
            return self._left.pop()
        if self._free:
            self._free -= 1
            return None
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Thing | None] = loop.create_future()
        self._waiters.append(waiter)
        timer = None if timeout is None else loop.call_later(timeout, _give_up, waiter)
        try:
            return await waiter
        except (TimeoutError, asyncio.CancelledError):
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.leave(waiter.result())  # the turn came at the same moment
            elif waiter in self._waiters:  # `leave` has not skipped it yet
                self._waiters.remove(waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()


def _give_up(waiter: asyncio.Future[Thing | None]) -> None:
    # A timer costs a tenth of asyncio.timeout.
    if not waiter.done():
        waiter.set_exception(TimeoutError())
