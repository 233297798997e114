"""Streams of server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
import logging
import math
import random
import time
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..db.errors import QueryFailed
from .exchange import Connection, exchange
from .hub import Page, Subscription
from .problem_types import Expired

log = logging.getLogger("service")

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = 15.0
"""Idle seconds after which a comment is sent: proxies close idle responses."""
PAUSE = 1.0
"""Seconds to wait after a failure of the database; streams stay open."""
RECONNECT = (500, 2000)
"""Range of milliseconds after which a client reconnects, random for each so that not all return at
once.
"""

COMMENT = b":\n\n"


class StreamHeaders(Response):
    """The status and headers of a stream."""

    media_type = MEDIA_TYPE

    def __init__(self) -> None:
        self.status_code, self.body, self.background = 200, b"", None
        self.raw_headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            # Proxies must not cache, compress or buffer it.
            (b"cache-control", b"private, no-store, no-transform"),
            (b"x-accel-buffering", b"no"),
        ]


class EventStream(StreamHeaders):
    """A response that streams events.

    Its headers pass the layers as every response's do. Its body is sent after them: a stream is no
    request in flight, and an event passes no layer.
    """

    def __init__(
        self,
        subscription: Subscription,
        first: Page,
        expires: float,
        connection: Connection | None,
    ) -> None:
        """`expires`: the token's expiry, in seconds since the epoch."""
        super().__init__()
        self._subscription = subscription
        self._page = first
        self._expires = expires
        self._connection = connection
        self._sent = 0
        self._beat = 0.0

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        """Send the headers, and leave the body to `Exchange.rest`."""
        current = exchange()
        assert current is not None
        start = {"status": self.status_code, "headers": self.raw_headers}
        try:
            await send({"type": "http.response.start", **start})
        except BaseException:
            self._subscription.leave()
            raise
        current.rest = self.run

    async def run(self, receive: Receive, send: Send) -> None:
        """Send events until the client leaves, the token expires or the process drains."""
        self._send_message = send
        began, why = time.monotonic(), "failed"
        loop = asyncio.get_running_loop()
        listening = loop.create_task(self._listen(receive))
        expiry = loop.call_later(self._expires - time.time(), self._subscription.end, "token")
        if self._connection is not None:
            self._connection.go_on(partial(self._subscription.end, "drain"))
        try:
            why = await self._run()
        finally:
            listening.cancel()
            expiry.cancel()
            self._subscription.leave(why)
            milliseconds = round((time.monotonic() - began) * 1e3, 3)
            fields = {"outcome": why, "duration_ms": milliseconds, "events": self._sent}
            log.info("stream ended", extra={"fields": fields})

    async def _run(self) -> str:
        """Send events until the end; return the reason."""
        page: Page | None = self._page
        while page is not None:
            self._page = page
            if page.content or not self._beat:
                await self._send(page.content or COMMENT, page.events)
            while not (
                page.more or self._subscription.behind(page) or self._subscription.ended.done()
            ):
                await self._until(self._subscription.news)
            page = await self._next()
        why = self._subscription.ended.result()
        if why not in ("gone", "unread"):
            milliseconds = random.randint(*RECONNECT)  # noqa: S311 - no secret
            await self._send(b"retry: %d\n\n" % milliseconds, more=False)
        return why

    async def _next(self) -> Page | None:
        """Read the next page; None at the end."""
        while not self._subscription.ended.done():
            reading = self._subscription.page(self._page.position)
            await self._until(reading)
            if not reading.done():
                break
            try:
                return reading.result()
            except Expired:
                self._subscription.end("expired")  # the client reconnects and gets 410
            except QueryFailed:
                await self._until(self._subscription.news, at_most=PAUSE)
        return None

    async def _until(self, awaited: "asyncio.Future[Any]", at_most: float = math.inf) -> None:
        """Wait for it, the end, or `at_most` seconds, and send keepalive comments meanwhile."""
        until = time.monotonic() + at_most
        while not (awaited.done() or self._subscription.ended.done()):
            now = time.monotonic()
            if now >= until:
                return
            if now >= self._beat + HEARTBEAT:
                await self._send(COMMENT)
                continue
            await asyncio.wait(
                (awaited, self._subscription.ended),
                timeout=min(until, self._beat + HEARTBEAT) - now,
                return_when=asyncio.FIRST_COMPLETED,
            )

    async def _send(self, content: bytes, events: int = 0, *, more: bool = True) -> None:
        """Send a piece, once the client has received the previous one or disconnected."""
        await self._send_message({"type": "http.response.body", "body": content, "more_body": more})
        self._beat = time.monotonic()
        self._sent += events
        self._subscription.sent(events)

    async def _listen(self, receive: Receive) -> None:
        """End the stream when its client disconnects, or is cut off because it does not read."""
        while (await receive())["type"] != "http.disconnect":
            pass
        unread = self._connection is not None and self._connection.unread
        self._subscription.end("unread" if unread else "gone")
