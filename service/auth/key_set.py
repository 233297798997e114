"""The keys that tokens are verified with: one shared secret, or a key set that the issuer publishes
at a URL.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Protocol

from .fetching import cause_of, client, fetch
from .jwk import ALGORITHMS, MAX_KID_LENGTH, Key, Published, keys_in

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("service")

FRESH = 300.0
"""Seconds between two fetches. A key that the issuer removed is taken for at most this much longer.
"""
STALE = 24 * 3600.0
"""Seconds that the last key set is used for while the issuer cannot be reached."""
COOL_DOWN = 10.0
"""Seconds between two fetches that tokens with an unknown `kid` may cause."""
UNKNOWN_FOR = 60.0
"""Seconds for which a `kid` that was asked for in vain causes no fetch."""
MAX_UNKNOWN = 1024
MAX_WAITING = 256
"""Requests that may wait for a fetch at once; one more is judged by the keys at hand."""
PATIENCE = 3.0
"""Seconds that a request waits for a fetch; then it is judged by the keys at hand."""
LONGEST_PAUSE = 30.0
"""Seconds between two fetches while they fail; the first pause is a second, and each is twice the
one before.
"""


class KeysAway(Exception):
    """There are no keys to judge a token by: the issuer was never reached, or not for STALE
    seconds.
    """


class Keys(Protocol):
    """Where a verifier gets its keys."""

    algorithms: frozenset[str]
    """What the keys may be for: a token that names another algorithm has none here."""

    def known(self, kid: object) -> Key | None:
        """The key, when it is at hand."""

    async def find(self, kid: object) -> Key | None:
        """The key, or None when there is no such key. Raises KeysAway when that cannot be told."""


class SharedSecret:
    """One key for every token, HS256."""

    algorithms = frozenset({"HS256"})

    def __init__(self, secret: str) -> None:
        self._key = Key(("HS256",), secret)

    def known(self, _: object) -> Key:
        """The key, whatever `kid` a token names."""
        return self._key

    async def find(self, _: object) -> Key:
        """The key, whatever `kid` a token names."""
        return self._key


class KeySet:
    """The issuer's published keys, fetched in the background while `open`.

    Requests wait for a fetch only when their token names a `kid` that is not known, and not for
    long. However many do, one fetch runs at a time, and unknown ids cause at most one in COOL_DOWN
    seconds. When a fetch fails, or brings no key that can be used, the keys at hand stay.
    """

    algorithms = frozenset(name for names in ALGORITHMS.values() for name in names)

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._published = Published({}, Counter())
        self._fetched: float | None = None
        self._failures = 0
        self._flight: asyncio.Task[None] | None = None
        self._waiting = 0
        self._may_ask_from = float("-inf")
        self._unknown: dict[str, float] = {}
        self._client: httpx.AsyncClient | None = None

    @property
    def age(self) -> float | None:
        """Seconds since the key set was last fetched, None when it never was."""
        return None if self._fetched is None else self._clock() - self._fetched

    @property
    def ready(self) -> bool:
        """Whether a key set with keys that can be used was ever fetched."""
        return self._fetched is not None

    def known(self, kid: object) -> Key | None:
        """The key, when it is at hand and not too old to be used."""
        keys = self._published.keys
        return keys.get(kid) if isinstance(kid, str) and self._usable() else None

    async def find(self, kid: object) -> Key | None:
        """The key, fetched anew when it is not at hand. Raises KeysAway without any keys that can
        be used.
        """
        if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID_LENGTH:
            return None
        asked = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                # Twice: a fetch that was on its way when the request came may have left before the
                # key was published.
                for _ in range(2):
                    if self.known(kid) is not None or not self._worth_waiting(kid):
                        break
                    asked = False
                    await self._wait_for_fetch()
                    asked = True
        key = self.known(kid)
        if key is None and not self._usable():
            raise KeysAway
        if key is None and asked and not self._failures:
            self._remember_unknown(kid)
        return key

    async def refresh(self) -> None:
        """Fetch the key set, or join the fetch that is on its way. A failure is logged, not
        raised.
        """
        if self._flight is None:
            self._flight = asyncio.create_task(self._fetch_and_keep())
        # A caller that stops waiting must not end the fetch for the others.
        await asyncio.shield(self._flight)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Fetch the keys at once, and keep them fresh until the end."""
        async with client() as self._client:
            keeper = asyncio.create_task(self._keep_fresh())
            try:
                yield
            finally:
                tasks = [task for task in (keeper, self._flight) if task is not None]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _usable(self) -> bool:
        return self._fetched is not None and self._clock() - self._fetched < STALE

    def _worth_waiting(self, kid: str) -> bool:
        """Whether to wait for a fetch, which then is on its way or may be begun."""
        now = self._clock()
        if self._unknown.get(kid, now) > now or self._waiting >= MAX_WAITING:
            return False
        if self._flight is not None:
            return True
        if now < self._may_ask_from:
            return False
        self._may_ask_from = now + COOL_DOWN
        return True

    async def _wait_for_fetch(self) -> None:
        self._waiting += 1
        try:
            await self.refresh()
        finally:
            self._waiting -= 1

    def _remember_unknown(self, kid: str) -> None:
        if len(self._unknown) >= MAX_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]
        self._unknown[kid] = self._clock() + UNKNOWN_FOR

    async def _keep_fresh(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(
                min(2.0 ** (self._failures - 1), LONGEST_PAUSE) if self._failures else FRESH
            )

    async def _fetch_and_keep(self) -> None:
        try:
            assert self._client is not None
            self._keep(keys_in(await fetch(self._client, self._url)))
        # Whatever is wrong out there, we go on with what we have.
        except Exception as error:  # noqa: BLE001
            self._failures += 1
            log.warning("no key set from JWKS_URL: %s", cause_of(error))
        finally:
            self._flight = None

    def _keep(self, published: Published) -> None:
        known = self._published
        if published != known:
            log.info("the key set is new; %s", published)
            # An unchanged key stays the same object: what was verified with it stays verified.
            for kid, key in published.keys.items():
                if known.keys.get(kid) == key:
                    published.keys[kid] = known.keys[kid]
            self._published = published
        self._fetched = self._clock()
        self._failures = 0
