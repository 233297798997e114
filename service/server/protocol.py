"""One connection of a client, from the first byte to the last: what may take how long, and how much
of it is kept in memory.

The application sees whole requests only, one at a time, and the next one when the answer before it
was taken: no work is done, and no room held, for a client that is not there.
"""

import asyncio
import enum
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from ..web.addresses import network_of, unmapped
from ..web.exchange import CONNECTION
from ..web.problem import Problem
from ..web.problem_types import RequestTimeout
from .connections import MAX_KEPT, SWEEP, connections_of
from .cycle import Body, Cycle
from .descriptors import MAX_CONNECTIONS
from .reader import Reader
from .refusals import Refusals

HEAD_TIMEOUT = 10.0
"""Seconds for a whole head, and for a new connection to send its first."""
BODY_TIMEOUT = 20.0
"""Seconds for a whole body, once its head is complete, and one more for each BODY_RATE bytes."""
BODY_RATE = 8 * 1024
READ_TIMEOUT = 10.0
"""Seconds in which a client must take some more of its answer."""
KEEP_ALIVE = 75.0
"""Seconds between two requests; longer than the 60 of common proxies, so that it is they who close
an idle connection.
"""
VANISHED_TIMEOUT = 30.0
"""Seconds that what was sent in an answer that goes on may stay unacknowledged by the client's
machine.
"""
VANISHED: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
"""The option that says so, where there is one: Linux has it."""
LINGER = 1.0
"""Seconds to go on reading after a refusal: a close with input unread is a reset, and may destroy
the answer.
"""

refused: Counter[int] = Counter()
"""How many requests were answered here, by status, since the process began."""


class Phase(enum.Enum):
    """What a connection waits for."""

    HEAD = "the client's head"
    BODY = "the client's body"
    WORK = "the application"
    IDLE = "the client's next request"
    LINGER = "the client's end"


class HttpProtocol(asyncio.Protocol):
    """A connection of HTTP/1.1 or HTTP/1.0."""

    head_timeout = HEAD_TIMEOUT
    body_timeout = BODY_TIMEOUT
    read_timeout = READ_TIMEOUT
    keep_alive = KEEP_ALIVE
    max_connections = MAX_CONNECTIONS
    max_kept = MAX_KEPT
    sweep = SWEEP
    refusals = Refusals()
    leaving = False
    """Whether the process is about to end: each answer then is the last one on its connection, so
    that clients move on.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._connections = connections_of(server_state, self.loop, self.sweep)
        self._phase = Phase.HEAD
        self._deaf = False
        self._later = b""
        self._cycle: Cycle | None = None
        self.unread = False
        self.disconnected = False
        self._answer_kept = self.left = 0
        self._taken: list[Callable[[], object]] = []
        self._stopping: Callable[[], object] | None = None
        self.since = self.loop.time()
        self.kept = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        self.transport = transport
        transport.set_write_buffer_limits(high=0)  # any byte that the client leaves counts
        self._client = unmapped(get_remote_addr(transport))
        self._reader = Reader(
            {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "server": get_local_addr(transport),
                "client": self._client,
                "scheme": "http",
                "root_path": "",
                CONNECTION: self,
            }
        )
        self._network = network_of({"client": self._client})
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        self._connections.add(self, self.max_connections)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the connection, which the client or we have ended."""
        self.disconnected = True
        self._server_state.connections.discard(self)
        self._connections.remove(self)
        if self._cycle is not None:
            self._cycle.end()
        self._tell_taken()
        self._stopping = None
        self._reader.close()
        self._cycle = None

    def shutdown(self) -> None:
        """End when what is at work is answered; uvicorn asks for it."""
        if self._cycle is not None and not self._cycle.complete:
            self._cycle.keep_alive = False
            if self._stopping is not None:
                self._stopping()
        else:
            self._close()

    def go_on(self, stopping: Callable[[], object]) -> None:
        """Keep a connection whose answer does not end soon: `stopping` is called when the server is
        about to stop. A client that is there no more is noticed, though it never said so.
        """
        self._stopping = stopping
        # RFC 5482; the kernel would try to reach the client for a quarter of an hour.
        found = self.transport.get_extra_info("socket")
        if found.family in (socket.AF_INET, socket.AF_INET6) and VANISHED is not None:
            found.setsockopt(socket.IPPROTO_TCP, VANISHED, int(VANISHED_TIMEOUT * 1000))

    def _close(self) -> None:
        self._deaf = True
        self.transport.close()

    # What comes in

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._deaf:
            return
        if self._phase is Phase.IDLE:
            self._turn(Phase.HEAD)
        if self._busy:
            self._put_off(self._later + data)
        else:
            self._feed(data)
        self._count()

    def eof_received(self) -> None:
        """The client sends no more. It is closed, and so are we."""

    @property
    def _busy(self) -> bool:
        """Whether a request is being answered, or its answer is not taken yet."""
        return self.unread or (self._cycle is not None and not self._cycle.complete)

    def _turn(self, phase: Phase) -> None:
        self._phase, self.since = phase, self.loop.time()

    def _put_off(self, data: bytes) -> None:
        """Keep what comes behind a request at work, and read no more meanwhile."""
        self._later = data
        self.transport.pause_reading()

    def _feed(self, data: bytes, *, behind: bool = False) -> None:
        """Parse the data until there is a request, and have that answered. `behind`: it came
        together with the request before.
        """
        reader = self._reader
        try:
            later = reader.feed(data)
        except Problem as problem:
            if behind:
                # A proxy that did not know of it would take an answer for that of its next request.
                self._close()
            else:
                self._refuse(problem)
            return
        self._deaf = reader.ended
        if reader.whole:
            if later:
                self._put_off(later)
            self._start()
        elif reader.incoming is not None and self._phase is not Phase.BODY:
            self._await_body()

    def _await_body(self) -> None:
        self._turn(Phase.BODY)
        incoming = self._reader.incoming
        if incoming is not None and incoming.expects and not incoming.body:
            incoming.expects = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _start(self) -> None:
        request = self._reader.whole.popleft()
        request.scope["state"] = self._app_state.copy()
        if self.leaving:
            request.keep_alive = False
        self._cycle = Cycle(self, request)
        self._phase = Phase.WORK
        self._connections.turns.begin(self._network, self._run)

    def _run(self) -> None:
        if self._cycle is None:  # the client has gone meanwhile
            return
        task = self.loop.create_task(self._cycle.run(self._config.loaded_app))
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    # What goes out

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Those of every answer."""
        return self._server_state.default_headers

    def refusal(self, problem: Problem) -> bytes:
        """The problem as a whole answer, the last one here."""
        return self.refusals.answer(problem, self._reader.origin)

    def write(self, pieces: list[Body], kept: int) -> None:
        """Hand the pieces to the transport. `kept`: how many bytes exist for this client only."""
        self._answer_kept = kept
        if len(pieces) == 1:
            self.transport.write(pieces[0])
        else:
            self.transport.writelines(pieces)

    def answered(self, *, last: bool) -> None:
        """Go on: the answer is written. `last`: the connection ends with it."""
        self._stopping = None
        self._server_state.total_requests += 1
        if last:
            self._close()
        elif not self.unread:
            self._go_on()

    def _go_on(self) -> None:
        """Take the next request, which may be here already."""
        if self._deaf or self.disconnected or self.transport.is_closing():
            return
        self._cycle = None
        if self._reader.whole:
            self._start()
            return
        self._turn(Phase.HEAD if self._reader.in_head or self._later else Phase.IDLE)
        if self._reader.incoming is not None:
            self._await_body()
        if self._later:
            later, self._later = self._later, b""
            self._feed(later, behind=True)
            if not self._later:
                self.transport.resume_reading()
            self._count()

    def pause_writing(self) -> None:
        """The client does not read as fast as we write."""
        self.unread = True
        self.since, self.left = self.loop.time(), self.transport.get_write_buffer_size()
        self._count()

    def resume_writing(self) -> None:
        """The client has taken all that was written."""
        self.unread, self._answer_kept = False, 0
        self._tell_taken()
        if self._cycle is None or self._cycle.complete:
            self._go_on()
        self._count()

    def when_taken(self, callback: Callable[[], object]) -> None:
        """Call when the client has taken its answer, or has gone. Only while `unread`."""
        self._taken.append(callback)

    async def writable(self) -> None:
        """Return when the client has taken what was written, or has gone."""
        if self.unread and not self.disconnected:
            taken = asyncio.Event()
            self.when_taken(taken.set)
            await taken.wait()

    def _tell_taken(self) -> None:
        callbacks, self._taken = self._taken, []
        for callback in callbacks:
            callback()

    # Bounds, of which the connections know those that are for all together

    def _count(self) -> None:
        """Say how many bytes are kept for the client."""
        kept = len(self._later) + self._reader.kept + (self._answer_kept if self.unread else 0)
        if kept != self.kept:
            self._connections.keep(self, kept, self.max_kept)

    @property
    def network(self) -> str:
        """The client's, as a trusted proxy has named it."""
        return network_of(self._cycle.scope if self._cycle else {"client": self._client})

    def idle(self) -> bool:
        """Whether it is the client's turn, and it does nothing."""
        return not self._busy

    def reading(self) -> bool:
        """Whether the client is on the way through an answer."""
        return self.unread

    def look(self, now: float) -> None:
        """Note whether the client has read some of its answer since somebody looked."""
        if self.unread and (left := self.transport.get_write_buffer_size()) < self.left:
            self.since, self.left = now, left

    def check(self, now: float) -> None:
        """End what takes too long."""
        self.look(now)
        waited = now - self.since
        if self.unread:
            if waited > self.read_timeout:
                self.abort()
            return
        match self._phase:
            case Phase.HEAD if waited > self.head_timeout:
                if self._reader.in_head:
                    self._refuse(RequestTimeout())
                else:
                    self.transport.close()
            case Phase.BODY if waited > self.body_timeout + self._reader.kept / BODY_RATE:
                self._refuse(RequestTimeout())
            case Phase.IDLE if waited > self.keep_alive:
                self.transport.close()
            case Phase.LINGER if waited > LINGER:
                self.abort()

    def abort(self) -> None:
        """End the connection now."""
        self._deaf = True
        self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Answer what cannot be served where an answer can still be told from another request's,
        and close.
        """
        self._deaf, self._later = True, b""
        if self._reader.whole:
            self._reader.whole[-1].keep_alive = False  # its answer is the last one here
            self._start()
            return
        refused[problem.status] += 1
        self.transport.write(self.refusal(problem))
        if self.transport.is_closing() or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()
            self._turn(Phase.LINGER)
