"""Cancel requests that take too long, or whose client has disconnected."""

import asyncio
import logging
import time

from ..web.exchange import Exchange, turned_away
from ..web.problem import Problem
from ..web.problem_types import OutcomeUnknown, Unavailable

log = logging.getLogger("service")

LISTEN_AFTER = 0.1
"""Seconds after which to watch for a disconnect. Most requests are answered by then."""


class Timeout:
    """Cancels requests, with their queries, after `seconds` or when their client disconnects.

    One timer watches all requests, so that a request needs none.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._tasks: dict[Exchange, asyncio.Task[object]] = {}
        self._listeners: dict[Exchange, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, exchange: Exchange) -> None:
        """Watch a request of the current task, until `end`."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks[exchange] = task
        if self._timer is None:
            self._look_in(min(LISTEN_AFTER, self.seconds))

    def end(self, exchange: Exchange) -> None:
        """Stop watching a request. Further work for it has no deadline."""
        del self._tasks[exchange]
        exchange.end()
        if self._listeners and (listener := self._listeners.pop(exchange, None)) is not None:
            listener.cancel()

    def problem(self, exchange: Exchange) -> Problem | None:
        """Return the problem for a request that this object cancelled, None if its client is gone.
        Raises CancelledError if it was also cancelled from elsewhere.
        """
        if self._tasks[exchange].uncancel() > 0:
            raise asyncio.CancelledError
        if exchange.gone:
            log.info("the client disconnected")
            return None
        log.warning("request took longer than %g s", self.seconds)
        turned_away("time")
        return OutcomeUnknown() if exchange.unknown else Unavailable("The request took too long")

    def _look_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Check all requests, and again when the next deadline is due."""
        now = time.monotonic()
        pause = min(LISTEN_AFTER, self.seconds)
        for exchange, task in self._tasks.items():
            left = exchange.at - now
            if left <= 0:
                self._cancel(exchange, task)
                continue
            pause = min(pause, left)
            # A handler that waits for the next message sees the disconnect itself.
            waited = self.seconds - left >= LISTEN_AFTER and not exchange.reading
            if waited and exchange not in self._listeners:
                self._listeners[exchange] = task.get_loop().create_task(
                    self._listen(exchange, task)
                )
        self._timer = None
        if self._tasks:
            self._look_in(pause)

    async def _listen(self, exchange: Exchange, task: asyncio.Task[object]) -> None:
        # Read at most one message ahead.
        messages = exchange.read_ahead = asyncio.Queue(1)
        while (message := await exchange.read_on())["type"] != "http.disconnect":
            await messages.put(message)
        exchange.gone = True
        self._cancel(exchange, task)

    def _cancel(self, exchange: Exchange, task: asyncio.Task[object]) -> None:
        if not exchange.cancelled:
            exchange.cancelled = True
            task.cancel()
