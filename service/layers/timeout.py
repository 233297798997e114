"""Time for each request, and no work for a client that has gone away."""

import asyncio
import logging
import math
import time

from starlette.types import Message

from ..web.exchange import Exchange, turned_away
from ..web.problem import Problem
from ..web.problem_types import OutcomeUnknown, Unavailable

log = logging.getLogger("service")

WATCH_AFTER = 0.1
"""Seconds after which a request is watched. Most are answered by then."""


class Watch:
    """One request under way: whether its time is over, and whether its client is still there."""

    def __init__(self, exchange: Exchange, at: float) -> None:
        """`at`: when to begin to listen for the client to go."""
        task = asyncio.current_task()
        assert task is not None
        self.exchange = exchange
        self.cancelled = False
        """Whether the request was cancelled from here."""
        self._task = task
        self._at = at
        self._receive = exchange.receive
        self._messages: asyncio.Queue[Message] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._reading = False
        self._gone = False
        exchange.receive_by(self.receive)

    def problem(self) -> Problem | None:
        """Return the answer to the request that was cancelled from here, None where nobody is there
        to be answered. Raises CancelledError when somebody else has cancelled it, too.
        """
        if self._task.uncancel() > 0:
            raise asyncio.CancelledError
        if self._gone:
            log.info("the client has gone")
            return None
        log.warning("the request has taken too long")
        turned_away("time")
        if self.exchange.unknown:
            return OutcomeUnknown()
        return Unavailable("The request took too long")

    def end(self) -> None:
        """Listen no longer."""
        if self._listener is not None:
            self._listener.cancel()

    async def receive(self) -> Message:
        """The next message, also when the watch has taken it before it was asked for."""
        if self._messages is not None:
            return await self._messages.get()
        self._reading = True
        try:
            return await self._receive()
        finally:
            self._reading = False

    def look(self, now: float) -> None:
        """Cancel the request when its time is over. Listen for the client to go, unless somebody
        waits for its next message and hears of it anyway.
        """
        if now >= self.exchange.at:
            self._cancel()
        elif now >= self._at and self._listener is None and not self._reading:
            self._messages = asyncio.Queue(1)  # no more than one message is read ahead
            self._listener = self._task.get_loop().create_task(self._listen(self._messages))

    async def _listen(self, messages: asyncio.Queue[Message]) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._cancel()
                return
            await messages.put(message)

    def _cancel(self) -> None:
        if not self.cancelled:
            self.cancelled = True
            self._task.cancel()


class Timeout:
    """Watch all requests under way: what takes longer than `seconds` is cancelled, its query with
    it, and so is what nobody waits for any more.

    One timer looks at all of them, so that a request costs none.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._watches: dict[Watch, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def deadline(self) -> float:
        """Return when a request that begins now must be answered, on the clock of
        time.monotonic.
        """
        return time.monotonic() + self.seconds

    def watch(self, exchange: Exchange) -> Watch:
        """Watch a request of the current task, until `forget`."""
        watch = Watch(exchange, exchange.at - self.seconds + WATCH_AFTER)
        self._watches[watch] = None
        if self._timer is None:
            self._look_in(min(WATCH_AFTER, self.seconds))
        return watch

    def forget(self, watch: Watch) -> None:
        """Watch a request no longer. What is still done for it has no deadline."""
        del self._watches[watch]
        watch.exchange.at = math.inf
        watch.end()

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        next_look = min(WATCH_AFTER, self.seconds)
        for watch in self._watches:
            watch.look(now)
            if not watch.cancelled:
                next_look = min(next_look, watch.exchange.at - now)
        self._timer = None
        if self._watches:
            self._look_in(next_look)
