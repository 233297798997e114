"""Fetching the issuer's key set: one URL, within bounds, and the cause when it fails."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from .jwk import KeySetError

if TYPE_CHECKING:
    import httpx

FETCH_TIMEOUT = 5.0
"""Seconds for a whole fetch, from the look-up of the name to the last byte."""
MAX_DOCUMENT_BYTES = 256 * 1024


@contextlib.asynccontextmanager
async def client() -> "AsyncIterator[httpx.AsyncClient]":
    """What fetches, as long as the block."""
    # Some megabytes that a service with a shared secret does without.
    import httpx  # noqa: PLC0415

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every URL
    # Neither proxies nor passwords from the environment: the one place that is asked is the one
    # that is set. Only an authority of the operator's own may be named there, as SSL_CERT_FILE.
    async with httpx.AsyncClient(
        verify=httpx.create_ssl_context(),
        trust_env=False,
        follow_redirects=False,
        timeout=FETCH_TIMEOUT,
    ) as opened:
        yield opened


async def fetch(client: "httpx.AsyncClient", url: str) -> bytes:
    """The document at that URL. Raises KeySetError when the answer is none, and whatever the client
    raises.
    """
    content = bytearray()
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    # The client's own timeout is for each step; a server that sends a byte at a time would never
    # exceed it.
    async with (
        asyncio.timeout(FETCH_TIMEOUT),
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code != 200:
            raise KeySetError(f"the answer is {response.status_code}")
        # Raw: what is compressed all the same would be inflated without a bound.
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > MAX_DOCUMENT_BYTES:
                raise KeySetError(f"it is larger than {MAX_DOCUMENT_BYTES} bytes")
    return bytes(content)


def cause_of(error: BaseException) -> str:
    """Why a fetch failed, in words for an operator: what the client raises only says that it could
    not connect.
    """
    found = (said for inner in _chain(error) if (said := _said(inner)))
    return next(found, type(error).__name__)


def _said(error: BaseException) -> str:
    match error:
        case KeySetError():
            said = str(error)
        case socket.gaierror():
            said = f"the host's name cannot be resolved ({error.strerror})"
        case ssl.SSLCertVerificationError():
            said = f"the certificate is refused ({error.verify_message.rstrip('.')})"
        case ssl.SSLError():
            said = f"TLS fails ({error.reason or type(error).__name__})"
        case ConnectionRefusedError():
            said = "the connection is refused"
        case TimeoutError():
            said = f"no whole answer within {FETCH_TIMEOUT:g} s"
        case OSError():
            said = error.strerror or ""
        case _:
            said = ""
    return said


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """What caused it, innermost first."""
    if error is None:
        return
    yield from _chain(error.__cause__ or error.__context__)
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _chain(inner)
    yield error
