"""How often one may ask: rate limits, and the fields that tell about them
(draft-ietf-httpapi-ratelimit-headers-10).

The state is this process's own. A shared store would cost every request a round trip, to protect
the very processor and pool that each process has for itself; what must be exact across processes,
such as quotas, is the database's.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from ..web.exchange import Exchange, turned_away
from ..web.problem_types import TooManyRequests
from .admission import PROBES

log = logging.getLogger("service")

MAX_CALLERS = 16_384
"""Callers that are remembered, some 3 MB; the one unseen for longest is forgotten first, and starts
anew.
"""

_PERIODS = {"second": 1, "minute": 60, "hour": 3600}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds."""

    quota: int
    window: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `100/second`, `600/minute` or `5000/hour`, as the settings have checked it."""
        quota, _, period = text.partition("/")
        return cls(int(quota), _PERIODS[period])


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands. `remaining`: requests; `reset`, `wait`: seconds until all are back,
    until the next one is.
    """

    remaining: int
    reset: float
    wait: float


class Limiter:
    """The generic cell rate algorithm (ITU-T I.371): one number a caller, no timers, no sudden
    refill to race for.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = rate.window / rate.quota
        self._window = rate.window
        self._clock = clock
        self._empty_at: dict[str, float] = {}

    def hit(self, key: str) -> Standing:
        """Count one request. `wait` above 0 says that it was one too many; those are not
        counted.
        """
        now = self._clock()
        empty_at = max(self._empty_at.pop(key, now), now) + self._interval
        wait = empty_at - now - self._window
        if wait > 1e-9:  # sums of fractions miss the window by a hair
            empty_at -= self._interval
        elif len(self._empty_at) >= MAX_CALLERS:
            del self._empty_at[next(iter(self._empty_at))]
        self._empty_at[key] = empty_at
        used = empty_at - now
        return Standing(
            int((self._window - used) / self._interval + 1e-9),
            used,
            max(wait, 0.0) if wait > 1e-9 else 0.0,
        )


class RateLimit:
    """Let each caller make `rate` requests; the surplus is 429 with Retry-After. Probes are not
    counted.

    `name` is the policy's in the RateLimit fields. `key` is the caller, None where there is none to
    count for.
    """

    def __init__(self, name: str, rate: Rate, key: Callable[[Exchange], str | None]) -> None:
        self.name = name
        self.policy = f'"{name}";q={rate.quota};w={rate.window}'.encode()
        self.limiter = Limiter(rate)
        self.key = key

    def check(self, exchange: Exchange) -> None:
        """Count a request, and have its answer tell what is left. Raises TooManyRequests."""
        standing = self._standing(exchange)
        if standing is None:
            return
        field = f'"{self.name}";r={standing.remaining};t={_seconds(standing.reset)}'.encode()
        exchange.answer_headers += [(b"ratelimit-policy", self.policy), (b"ratelimit", field)]
        if standing.wait:
            turned_away(f"rate-{self.name}")
            raise TooManyRequests(retry_after=_seconds(standing.wait))

    def _standing(self, exchange: Exchange) -> Standing | None:
        if exchange.scope["path"] in PROBES:
            return None
        try:
            key = self.key(exchange)
            return None if key is None else self.limiter.hit(key)
        except Exception:
            log.exception("the rate limit %s does not work; requests pass", self.name)
            return None


def _seconds(exactly: float) -> int:
    """Whole ones, upwards; the hair by which sums of fractions miss a whole one does not count."""
    return math.ceil(exactly - 1e-3)
