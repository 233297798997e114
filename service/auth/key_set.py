"""The keys that verify tokens: one shared secret, or the issuer's key set at a URL."""

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
"""Seconds between two fetches: a key that the issuer removed is accepted that much longer."""
STALE = 24 * 3600.0
"""Seconds for which the last key set is used while the issuer cannot be reached."""
COOL_DOWN = 10.0
"""Seconds between two fetches for unknown `kid`s."""
UNKNOWN_FOR = 60.0
"""Seconds for which a `kid` that a fetch did not find causes no other fetch."""
MAX_UNKNOWN = 1024
MAX_WAITING = 256
"""Requests that may wait for a fetch at once; further ones use the known keys."""
PATIENCE = 3.0
"""Seconds that a request waits for a fetch; then it uses the known keys."""
LONGEST_PAUSE = 30.0
"""Most seconds between two fetches while they fail; the pause starts at one second and doubles."""


class KeysUnavailable(Exception):
    """No keys to verify a token: the issuer was never reached, or not for STALE seconds."""


class Keys(Protocol):
    """A source of keys for a verifier."""

    algorithms: frozenset[str]
    """The names of the algorithms that the keys can have."""

    def known(self, kid: object) -> Key | None:
        """Return the key, if known."""

    async def find(self, kid: object) -> Key | None:
        """Return the key, or None if there is no such key. Raises KeysUnavailable if unsure."""


class SharedSecret:
    """One key for every token, HS256."""

    algorithms = frozenset({"HS256"})

    def __init__(self, secret: str) -> None:
        self._key = Key(("HS256",), secret)

    def known(self, _: object) -> Key:
        """Return the one key, whatever the token's `kid`."""
        return self._key

    async def find(self, _: object) -> Key:
        """Return the one key, whatever the token's `kid`."""
        return self._key


class KeySet:
    """The issuer's published keys, fetched in the background while `open`.

    A request waits for a fetch only if its token's `kid` is unknown, and not for long. One fetch
    runs at a time, and unknown ids cause at most one in COOL_DOWN seconds. If a fetch fails, or
    brings no usable key, the known keys stay.
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
        """Seconds since the key set was last fetched; None if it never was."""
        return None if self._fetched is None else self._clock() - self._fetched

    @property
    def ready(self) -> bool:
        """Whether a usable key set was ever fetched."""
        return self._fetched is not None

    def known(self, kid: object) -> Key | None:
        """Return the key, if it is known and the set is not stale."""
        keys = self._published.keys
        return keys.get(kid) if isinstance(kid, str) and self._usable() else None

    async def find(self, kid: object) -> Key | None:
        """Return the key, after a fetch if it is unknown; None if there is none.

        Raises KeysUnavailable without usable keys.
        """
        if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID_LENGTH:
            return None
        asked = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                # Twice: a fetch that ran when the request came may have started before the key was
                # published.
                for _ in range(2):
                    if self.known(kid) is not None or not self._worth_waiting(kid):
                        break
                    asked = False
                    await self._wait_for_fetch()
                    asked = True
        key = self.known(kid)
        if key is None and not self._usable():
            raise KeysUnavailable
        if key is None and asked and not self._failures:
            self._remember_unknown(kid)
        return key

    async def refresh(self) -> None:
        """Fetch the key set, or wait for the running fetch. Failures are logged, not raised."""
        if self._flight is None:
            self._flight = asyncio.create_task(self._fetch_and_keep())
        # A caller that stops waiting must not cancel the fetch for the others.
        await asyncio.shield(self._flight)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Fetch the keys at once, and again regularly until the block ends."""
        async with client(self._url) as self._client:
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
        """Return whether to wait for a fetch that runs or may start now."""
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
        # Whatever fails, continue with the known keys.
        except Exception as error:  # noqa: BLE001
            self._failures += 1
            log.warning("no keys from JWKS_URL: %s", cause_of(error))
        finally:
            self._flight = None

    def _keep(self, published: Published) -> None:
        known = self._published
        if published != known:
            log.info("the key set is new; %s", published)
            # An unchanged key stays the same object, so that remembered tokens stay verified.
            for kid, key in published.keys.items():
                if known.keys.get(kid) == key:
                    published.keys[kid] = known.keys[kid]
            self._published = published
        self._fetched = self._clock()
        self._failures = 0
