"""The keys that tokens are verified with: one shared secret, or a key set that the issuer publishes
at a URL.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Protocol

from .jwk import MAX_KID_LENGTH, Key, KeySetError, keys_in

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
"""Requests that may wait for a fetch at once; for one more it cannot be told."""
FETCH_TIMEOUT = 5.0
"""Seconds for a whole fetch, from the look-up of the name to the last byte."""
MAX_DOCUMENT_BYTES = 256 * 1024
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

    def known(self, kid: object) -> Key | None:
        """The key, when it is at hand."""

    async def find(self, kid: object) -> Key | None:
        """The key, or None when there is no such key. Raises KeysAway when that cannot be told."""


class SharedSecret:
    """One key for every token, HS256."""

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

    Requests wait for a fetch only when their token names a `kid` that is not known. However many
    do, one fetch runs at a time, and unknown ids cause at most one in COOL_DOWN seconds. When a
    fetch fails the keys at hand stay.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, Key] = {}
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
        """Whether a key set was ever fetched."""
        return self._fetched is not None

    def known(self, kid: object) -> Key | None:
        """The key, when it is at hand and not too old to be used."""
        return self._keys.get(kid) if isinstance(kid, str) and self._usable() else None

    async def find(self, kid: object) -> Key | None:
        """The key, fetched anew when it is not at hand. Raises KeysAway without any keys that can
        be used.
        """
        if not isinstance(kid, str) or not 1 <= len(kid) <= MAX_KID_LENGTH:
            return None
        asked = False
        # Twice: a fetch that was on its way when the request came may have left before the key was
        # published.
        for _ in range(2):
            if (key := self.known(kid)) is not None:
                return key
            if not self._worth_asking(kid):
                break
            asked = True
            await self._wait_for_fetch()
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
        # Whoever stops waiting must not end the fetch for the others.
        await asyncio.shield(self._flight)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Fetch the keys at once, and keep them fresh until the end."""
        # Some megabytes that a service with a shared secret does without.
        import httpx  # noqa: PLC0415

        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every URL
        # Neither proxies nor passwords from the environment: the one place that is asked is the one
        # that is set. Only an authority of the operator's own may be named there, as SSL_CERT_FILE.
        client = httpx.AsyncClient(
            verify=httpx.create_ssl_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=FETCH_TIMEOUT,
        )
        async with client as self._client:
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

    def _worth_asking(self, kid: str) -> bool:
        """Whether to wait for a fetch, which then is on its way or may be begun."""
        now = self._clock()
        if self._flight is not None:
            return True
        if now < self._may_ask_from or self._unknown.get(kid, now) > now:
            return False
        self._may_ask_from = now + COOL_DOWN
        return True

    async def _wait_for_fetch(self) -> None:
        if self._waiting >= MAX_WAITING:
            raise KeysAway
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
            fetched = keys_in(await self._fetch())
        # Whatever is wrong out there, we go on with what we have.
        except Exception as error:  # noqa: BLE001
            self._failures += 1
            log.warning(
                "the key set cannot be fetched: %s",
                str(error) if isinstance(error, KeySetError) else type(error).__name__,
            )
        else:
            # An unchanged key stays the same object: what was verified with it stays verified.
            self._keys = {
                kid: self._keys[kid] if self._keys.get(kid) == key else key
                for kid, key in fetched.items()
            }
            self._fetched = self._clock()
            self._failures = 0
        finally:
            self._flight = None

    async def _fetch(self) -> bytes:
        assert self._client is not None
        content = bytearray()
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        # The client's own timeout is for each step; a server that sends a byte at a time would
        # never exceed it.
        async with (
            asyncio.timeout(FETCH_TIMEOUT),
            self._client.stream("GET", self._url, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise KeySetError(f"the answer is {response.status_code}")
            # Raw: what is compressed all the same would be inflated without a bound.
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > MAX_DOCUMENT_BYTES:
                    raise KeySetError(f"it is larger than {MAX_DOCUMENT_BYTES} bytes")
        return bytes(content)
