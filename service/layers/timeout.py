"""An answer to every request, in time, whatever happens inside; and no work for a client that has
gone away.
"""

import asyncio
import logging
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..db import deadline
from ..web.exchange import turned_away
from ..web.problem import Problem, answer
from ..web.problem_types import InternalError, OutcomeUnknown, Unavailable

log = logging.getLogger("service")

WATCH_AFTER = 0.1
"""Seconds after which a request is watched. Most are answered by then, and cost no more than this
timer.
"""


class Guard:
    """Every request gets an answer, in time, and none that shows the inside.

    What nothing further in has turned into an answer becomes 500, and is logged; what takes longer
    than `timeout` seconds is cancelled, its query with it, and becomes 503. A request whose client
    has gone is cancelled, too, and gets no answer.
    """

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self.app = app
        self.timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        watch = _Watch(receive, self.timeout)
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        problem: Problem
        try:
            await self.app(scope, watch.receive, watched_send)
            return
        except ClientDisconnect:
            return  # there is nobody to answer
        except asyncio.CancelledError:
            if not watch.cancelled():
                raise
            if watch.gone:
                log.info("the client has gone")
                return
            log.warning("request took longer than %g s", self.timeout)
            if started:
                return
            turned_away("time")
            problem = (
                OutcomeUnknown()
                if watch.deadline.unknown
                else Unavailable("The request took too long")
            )
        except Exception:
            if started:
                raise
            log.exception("unexpected fault")
            problem = InternalError()
        finally:
            watch.end()
        await answer(problem)(scope, receive, send)


class _Watch:
    """One request under way: until when it must be answered, and whether its client is still
    there.
    """

    __slots__ = (
        "_cancelled",
        "_listener",
        "_messages",
        "_reading",
        "_receive",
        "_task",
        "_timer",
        "_token",
        "deadline",
        "gone",
    )

    def __init__(self, receive: Receive, timeout: float) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._receive = receive
        self._messages: asyncio.Queue[Message] | None = None
        self._listener: asyncio.Task[None] | None = None
        self._reading = False
        self._cancelled = False
        self.gone = False
        self.deadline = deadline.Deadline(time.monotonic() + timeout)
        self._token = deadline.current.set(self.deadline)
        self._timer = task.get_loop().call_later(min(timeout, WATCH_AFTER), self._look)

    def cancelled(self) -> bool:
        """Whether it is this watch that has cancelled the request, and nobody else has."""
        return self._cancelled and self._task.uncancel() == 0

    def end(self) -> None:
        """Watch no longer."""
        deadline.current.reset(self._token)
        self._timer.cancel()
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

    def _look(self) -> None:
        """Listen for the client to go, unless somebody waits for its next message and hears of it
        anyway.
        """
        left = self.deadline.at - time.monotonic()
        if left <= 0:
            self._cancel()
            return
        if self._listener is None and not self._reading:
            self._messages = asyncio.Queue(1)  # no more than one message is read ahead
            self._listener = self._task.get_loop().create_task(self._listen(self._messages))
        self._timer = self._task.get_loop().call_later(
            left if self._listener else min(left, WATCH_AFTER), self._look
        )

    async def _listen(self, messages: asyncio.Queue[Message]) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                self._cancel()
                return
            await messages.put(message)

    def _cancel(self) -> None:
        self._cancelled = True
        self._task.cancel()
