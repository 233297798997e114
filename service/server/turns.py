"""Choose the requests that start in each iteration of the event loop.

All clients wait for the requests that start in an iteration. So only a few of each network start,
and its others queue behind them: hundreds of connections with pipelined requests delay only their
own network.
"""

import asyncio
from collections.abc import Callable

from ..fair_queue import FairQueue

STARTED = 8
"""Requests of one network that start in an iteration: they take a few milliseconds, and the next
iteration follows at once.
"""


class Turns:
    """Starts requests, those of each network in order of arrival."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._started: dict[str, int] = {}
        self._waiting: FairQueue[str, Callable[[], object]] = FairQueue()

    def begin(self, network: str, start: Callable[[], object]) -> None:
        """Call `start`, in this iteration or in a later one."""
        if not self._started:
            self._loop.call_soon(self._turn)
        started = self._started[network] = self._started.get(network, 0) + 1
        if started <= STARTED:
            start()
        else:
            self._waiting.append(network, start)

    def _turn(self) -> None:
        """Start waiting requests, up to the limit of an iteration."""
        self._started.clear()
        if not self._waiting.size:
            return
        self._loop.call_soon(self._turn)
        for _ in range(STARTED):
            for network, start in self._waiting.round():
                self._started[network] = self._started.get(network, 0) + 1
                start()
