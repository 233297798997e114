"""Shut down gracefully: not ready, serve for a while, finish requests in flight."""

import asyncio
import contextlib
import logging
import multiprocessing
import signal
from collections.abc import AsyncIterator, Callable

log = logging.getLogger("service")

ECHO = 1.0
"""Seconds in which another SIGTERM is a duplicate: some platforms send it to a process group, whose
leader forwards it.
"""


class Drain:
    """Handles SIGTERM while the application runs.

    The first one calls `begin`, and stops the server only `seconds` later: meanwhile proxies see
    that the process is not ready, and requests that still arrive are served. The second one ends
    the wait. Requests in flight then finish within their timeout. SIGINT does not wait. A worker
    also drains when its parent has ended: otherwise it would keep running and hold the port.
    """

    def __init__(self, seconds: float, begin: Callable[[], None]) -> None:
        self._seconds = seconds
        self._begin = begin
        self._began = 0.0

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Handle the signals in place of the server's own handlers."""
        self._loop, self._stop = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
        self._loop.add_signal_handler(signal.SIGTERM, self._begin_drain)
        # SIGHUP of a closed terminal, or of a supervisor's "reload": a graceful shutdown, too.
        self._loop.add_signal_handler(signal.SIGHUP, self._begin_drain)
        parent = multiprocessing.parent_process()
        if parent is not None:
            self._loop.add_reader(parent.sentinel, self._orphaned, parent.sentinel)
        try:
            yield
        finally:
            if parent is not None:
                self._loop.remove_reader(parent.sentinel)
            self._loop.remove_signal_handler(signal.SIGTERM)
            self._loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGTERM, self._stop)

    def _begin_drain(self) -> None:
        now = self._loop.time()
        if not self._began:
            self._began = now
            log.info("shutdown requested: not ready, still serving for %g s", self._seconds)
            self._begin()
            self._timer = self._loop.call_later(self._seconds, self._leave)
        elif now - self._began > ECHO:
            self._timer.cancel()
            self._leave()

    def _orphaned(self, sentinel: int) -> None:
        self._loop.remove_reader(sentinel)
        self._begin_drain()

    def _leave(self) -> None:
        if callable(self._stop):
            self._stop(signal.SIGTERM, None)
