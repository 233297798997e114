"""Rate limits, and the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10).

Each process counts by itself. A shared store would cost every request a round trip, to protect a
CPU and a pool that are the process's own. Limits that must be exact across processes, such as
quotas, are in the database.
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
"""Callers to remember, about 3 MB; the least recently seen one is forgotten first."""

_PERIODS = {"second": 1, "minute": 60, "hour": 3600}


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of requests in a number of seconds."""

    quota: int
    window: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `100/second`, `600/minute` or `5000/hour`, already validated by the settings."""
        quota, _, period = text.partition("/")
        return cls(int(quota), _PERIODS[period])


@dataclass(frozen=True, slots=True)
class Standing:
    """A caller's state. `remaining`: requests; `reset`, `wait`: seconds until all are available
    again, until the next one is.
    """

    remaining: int
    reset: float
    wait: float


class Limiter:
    """The generic cell rate algorithm (ITU-T I.371): one number a caller, no timers, a steady
    refill.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = rate.window / rate.quota
        self._window = rate.window
        self._clock = clock
        self._empty_at: dict[str, float] = {}

    def hit(self, key: str) -> Standing:
        """Count one request, unless it exceeds the limit: then `wait` is above 0."""
        now = self._clock()
        empty_at = max(self._empty_at.pop(key, now), now) + self._interval
        wait = empty_at - now - self._window
        if wait > 1e-9:  # rounding errors
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
    """Limits each caller to `rate` requests; further ones get 429 with Retry-After. Probes are not
    counted.

    `name` is the policy's name in the RateLimit fields. `key` returns the caller, None to count
    nothing.
    """

    def __init__(self, name: str, rate: Rate, key: Callable[[Exchange], str | None]) -> None:
        self.name = name
        self.policy = f'"{name}";q={rate.quota};w={rate.window}'.encode()
        self.limiter = Limiter(rate)
        self.key = key

    def check(self, exchange: Exchange) -> None:
        """Count a request and add the RateLimit fields to its response. Raises TooManyRequests."""
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
            log.exception("the rate limit %s failed; the request passes", self.name)
            return None


def _seconds(exactly: float) -> int:
    """Return seconds rounded up, apart from rounding errors."""
    return math.ceil(exactly - 1e-3)
