"""One client connection: its requests, and their limits of time and memory.

The application gets complete requests, one at a time, and the next only when the client has
received the previous response: an absent client costs no work.
"""

import asyncio
from collections import Counter
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from ..web.addresses import network_of, unmapped
from ..web.exchange import CONNECTION
from ..web.problem import Problem
from ..web.problem_types import RequestTimeout
from .connections import MAX_KEPT, SWEEP, connections_of
from .cycle import Cycle
from .delivery import Delivery
from .descriptors import MAX_CONNECTIONS
from .early_answers import Refusals
from .phases import (
    BODY_RATE,
    BODY_TIMEOUT,
    HEAD_TIMEOUT,
    KEEP_ALIVE,
    LINGER,
    READ_TIMEOUT,
    Phase,
)
from .reader import Reader

refused: Counter[int] = Counter()
"""How many requests were refused here, by status, since the process started."""


class HttpProtocol(Delivery):
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
    """Whether the process is draining: each response then closes its connection, so that clients
    go elsewhere.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(_loop or asyncio.get_running_loop())
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._connections = connections_of(server_state, self.loop, self.sweep)
        self._phase = Phase.HEAD
        self._deaf = False
        self._later = b""
        self._cycle: Cycle | None = None
        self.kept = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register a new connection."""
        self.transport = transport
        transport.set_write_buffer_limits(high=0)  # any unread byte counts
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
        """Forget a closed connection."""
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
        """Close once the current request is answered; uvicorn calls this."""
        if self._cycle is not None and not self._cycle.complete:
            self._cycle.keep_alive = False
            if self._stopping is not None:
                self._stopping()
        else:
            self._close()

    def _close(self) -> None:
        self._deaf = True
        self.transport.close()

    # Input

    def data_received(self, data: bytes) -> None:
        """Handle bytes from the client."""
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
        """Close the connection: the client sends no more."""

    @property
    def _busy(self) -> bool:
        """Return whether a request is in progress, or its response not yet received."""
        return self.unread or (self._cycle is not None and not self._cycle.complete)

    def _turn(self, phase: Phase) -> None:
        self._phase, self.since = phase, self.loop.time()

    def _put_off(self, data: bytes) -> None:
        """Buffer what follows a request in progress, and pause reading."""
        self._later = data
        self.transport.pause_reading()

    def _feed(self, data: bytes, *, behind: bool = False) -> None:
        """Parse the data until there is a request, and answer it. `behind`: the data came with the
        previous request.
        """
        reader = self._reader
        try:
            later = reader.feed(data)
        except Problem as problem:
            if behind:
                # A proxy that did not know of it would take a response for its next request's.
                self._close()
            else:
                self._refuse(problem)
            return
        self._deaf = reader.ended
        if reader.complete:
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
        request = self._reader.complete.popleft()
        request.scope["state"] = self._app_state.copy()
        if self.leaving:
            request.keep_alive = False
        self._cycle = Cycle(self, request)
        self._phase = Phase.WORK
        self._connections.turns.begin(self._network, self._run)

    def _run(self) -> None:
        if self._cycle is None:  # the client has disconnected meanwhile
            return
        tasks = self._server_state.tasks
        tasks.add(self.loop.create_task(self._cycle.run(self._config.loaded_app, tasks)))

    # Output

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of every response."""
        return self._server_state.default_headers

    def refusal(self, problem: Problem) -> bytes:
        """Return the problem as a complete response, the last one of the connection."""
        return self.refusals.answer(problem, self._reader.origin)

    def answered(self, *, last: bool) -> None:
        """Continue: the response is written. `last`: close the connection after it."""
        self._stopping = None
        self._server_state.total_requests += 1
        if last:
            self._close()
        elif not self.unread:
            self._go_on()

    def _received(self) -> None:
        if self._cycle is None or self._cycle.complete:
            self._go_on()

    def _go_on(self) -> None:
        """Continue with the next request, which may be buffered already."""
        if self._deaf or self.disconnected or self.transport.is_closing():
            return
        self._cycle = None
        if self._reader.complete:
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

    # Limits; `Connections` has those for all connections together

    def _count(self) -> None:
        """Report how many bytes are buffered for the client."""
        kept = len(self._later) + self._reader.kept + (self._answer_kept if self.unread else 0)
        if kept != self.kept:
            self.moved = self.loop.time()
            self._connections.keep(self, kept, self.max_kept)

    @property
    def network(self) -> str:
        """The client's network, as reported by a trusted proxy."""
        return network_of(self._cycle.scope if self._cycle else {"client": self._client})

    def idle(self) -> bool:
        """Return whether the connection waits for the client, who sends nothing."""
        return not self._busy

    def check(self, now: float) -> None:
        """Close the connection if the client takes too long."""
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
        """Close the connection now."""
        self._deaf = True
        self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Refuse what cannot be served, unless the response could be taken for another request's,
        and close.
        """
        self._deaf, self._later = True, b""
        if self._reader.complete:
            self._reader.complete[-1].keep_alive = False  # its response is the last one here
            self._start()
            return
        refused[problem.status] += 1
        self.transport.write(self.refusal(problem))
        if self.transport.is_closing() or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()
            self._turn(Phase.LINGER)
