"""HTTP/1.1 as it comes off the socket: what is bounded and refused before a request exists.

uvicorn's httptools protocol frames requests strictly, but bounds neither sizes nor time, and takes
ambiguous heads. This one adds the bounds and the refusals; what it refuses is answered as a
problem, and the connection is closed.
"""

from asyncio import TimerHandle, Transport
from collections import Counter
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ..web.problem import Problem
from ..web.problem_types import BadRequest, HeadTooLarge, RequestTimeout, TargetTooLong, TooLarge
from .framing import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES, check
from .whole_answers import Whole, refusal

HEAD_TIMEOUT = 10.0
"""Seconds for a whole head, and for a new connection to send its first."""
BODY_TIMEOUT = 20.0
"""Seconds for a whole body, once its head is complete."""
WRITE_TIMEOUT = 30.0
"""Seconds that a client may leave an answer unread."""
LINGER = 1.0
"""Seconds to go on reading after a refusal: a close with input unread is a reset, and may destroy
the answer.
"""
MAX_CONNECTIONS = 800
"""For each worker; below the 1,024 open files that many systems allow a process."""

refused: Counter[int] = Counter()
"""How many requests were answered here, by status, since the process began."""


class HttpProtocol(HttpToolsProtocol):
    """One connection of a client.

    When MAX_CONNECTIONS are open, a new one takes the place of one that waits for its client: of
    the address that has the most of those, the one that has waited longest. So silent connections
    shut nobody out, and work under way is never cut.
    """

    head_timeout = HEAD_TIMEOUT
    body_timeout = BODY_TIMEOUT
    write_timeout = WRITE_TIMEOUT
    max_connections = MAX_CONNECTIONS
    leaving = False
    """Whether the process is about to end: each answer then is the last one on its connection, so
    that clients move on.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._in_body = False
        self._began = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._refused = False
        self._running: RequestResponseCycle | None = None
        self._read_timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None
        self.waiting_since = 0.0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self.waiting_since = self.loop.time()
        if len(self.connections) > self.max_connections:
            self._make_room()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        super().connection_lost(exc)
        self._disarm()
        if self._write_timer is not None:
            self._write_timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._began = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing is ever upgraded (RFC 9110, section 7.8, allows that), but the parser stops
            # here.
            self.cycle.keep_alive = False
            self._refused = True
        except httptools.HttpParserError as error:
            self._refuse(
                error.__context__
                if isinstance(error.__context__, Problem)
                else BadRequest("The request is not sound HTTP")
            )
            return
        if self._in_head and not self._began:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge())
                return
        self._watch()

    # The parser's callbacks. What they raise comes out of feed_data, wrapped.

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = self._began = True
        self._head_bytes = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            raise TargetTooLong

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header, or a trailer."""
        if not self._in_head:
            # The application may already have read the headers: nothing may be added to them.
            raise BadRequest("Trailers are not accepted")
        name = name.lower()
        if name == b"expect":
            self.expect_100_continue = value.lower() == b"100-continue"
        self.headers.append((name, value))
        if len(self.headers) > MAX_HEADERS:
            raise HeadTooLarge

    def on_headers_complete(self) -> None:
        """The head is complete."""
        check(
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version(),
            self.headers,
            upgrade=self.parser.should_upgrade(),
        )
        if self._read_timer is not None:
            self._disarm()
        super().on_headers_complete()
        if self.leaving:
            self.cycle.keep_alive = False
        self._in_head, self._in_body = False, True

    def on_body(self, body: bytes) -> None:
        """A piece of the body, whatever its framing."""
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            raise TooLarge
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        if self._read_timer is not None:
            self._disarm()
        self._in_body = False
        self.waiting_since = self.loop.time()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # The base class knows the last request that was read; of those that wait behind one another
        # it is not the one.
        self._running = cycle
        super()._start_asgi_task(cycle, Whole(app, cycle))

    # Time

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.write_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _busy(self) -> bool:
        """Whether a request is being answered."""
        return bool(self.cycle) and not self.cycle.response_complete

    def _watch(self) -> None:
        """Bound the time that we wait for the client's next bytes. A head or body that came at once
        needs no timer.
        """
        if self._read_timer is not None or not (self._in_head or self._in_body or not self._busy()):
            return
        seconds = self.body_timeout if self._in_body else self.head_timeout
        self._read_timer = self.loop.call_later(seconds, self._too_slow)

    def _disarm(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _too_slow(self) -> None:
        self._read_timer = None
        if self.flow.read_paused:
            self._watch()  # it is we who do not read
        elif self._in_head or self._in_body:
            self._refuse(RequestTimeout())
        elif not self._busy():
            self.transport.close()

    # Refusals

    def _refuse(self, problem: Problem) -> None:
        """Answer what cannot be served where an answer can still be told from another request's,
        and close.
        """
        self._refused = True
        self._disarm()
        self.pipeline.clear()
        running = self._running
        if (
            running is not None
            and not running.response_complete
            and not (self._in_body and running is self.cycle)
        ):
            # An earlier request is being answered, and its answer is the last one here.
            running.keep_alive = False
            return
        if self._in_body:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not (self._in_body and self.cycle.response_started):
            refused[problem.status] += 1
            self.transport.write(refusal(problem))
        self._close_gently()

    def _close_gently(self) -> None:
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()
            self._read_timer = self.loop.call_later(LINGER, self.transport.abort)
        else:
            self.transport.close()

    def _make_room(self) -> None:
        waiting = [
            other
            for other in self.connections
            if other is not self and isinstance(other, HttpProtocol) and other.waits()
        ]
        if not waiting:
            self.transport.abort()
            return
        by_address = Counter(other.address() for other in waiting)
        most = max(by_address.values())
        crowd = [other for other in waiting if by_address[other.address()] == most]
        min(crowd, key=lambda other: other.waiting_since).transport.abort()

    def waits(self) -> bool:
        """Whether it is the client's turn."""
        return (self._in_body or not self._busy()) and not self.transport.is_closing()

    def address(self) -> str:
        """The client's address."""
        return self.client[0] if self.client else ""
