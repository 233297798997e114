"""Whose requests begin in a turn of the loop.

A turn lasts as long as all that begins in it takes, and everybody waits for it. So of each network
only a few requests begin a turn, and what else it has sent waits behind those: hundreds of
connections with requests that stand in line are slow for whom they come from.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable

STARTED = 8
"""Requests of one network that begin a turn. It takes a turn for no more than a few milliseconds,
and there is no pause between two turns.
"""


class Turns:
    """Begins requests, of each network in the order of coming."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._started: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[Callable[[], object]]] = defaultdict(deque)

    def begin(self, network: str, start: Callable[[], object]) -> None:
        """Call `start`, in this turn or in a later one."""
        if not self._started:
            self._loop.call_soon(self._turn)
        self._started[network] += 1
        if self._started[network] <= STARTED:
            start()
        else:
            self._waiting[network].append(start)

    def _turn(self) -> None:
        """Begin what has waited, as much as a turn may have."""
        self._started.clear()
        if not self._waiting:
            return
        self._loop.call_soon(self._turn)
        for network, waiting in [*self._waiting.items()]:
            for _ in range(min(STARTED, len(waiting))):
                self._started[network] += 1
                waiting.popleft()()
            if not waiting:
                del self._waiting[network]
