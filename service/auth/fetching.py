"""Fetch the issuer's key set, with limits of size and time, and explain failures."""

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
"""Seconds for a fetch, from the DNS lookup to the last byte."""
MAX_DOCUMENT_BYTES = 256 * 1024


@contextlib.asynccontextmanager
async def client(url: str) -> "AsyncIterator[httpx.AsyncClient]":
    """Open an HTTP client of that URL for the `async with` block."""
    # Not loaded for a shared secret: it takes some megabytes.
    import httpx  # noqa: PLC0415

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every URL
    # Neither proxies nor .netrc from the environment: only the configured URL is asked. Of the
    # environment SSL_CERT_FILE alone counts, for an operator's own CA. A URL without TLS
    # needs none, and to load those of all authorities takes 30 ms.
    tls = httpx.URL(url).scheme == "https"
    trusted = httpx.create_ssl_context() if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(
        verify=trusted,
        trust_env=False,
        follow_redirects=False,
        timeout=FETCH_TIMEOUT,
    ) as opened:
        yield opened


async def fetch(client: "httpx.AsyncClient", url: str) -> bytes:
    """Return the document at that URL. Raises KeySetError for another status than 200 or a document
    that is too large, and the client's errors.
    """
    content = bytearray()
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    # The client's own timeout is for each read; a server that sends single bytes would never exceed
    # it.
    async with (
        asyncio.timeout(FETCH_TIMEOUT),
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code != 200:
            raise KeySetError(f"the answer is {response.status_code}")
        # Raw: decompressing would have no limit.
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > MAX_DOCUMENT_BYTES:
                raise KeySetError(f"it is larger than {MAX_DOCUMENT_BYTES} bytes")
    return bytes(content)


def cause_of(error: BaseException) -> str:
    """Return why a fetch failed, for an operator: the client's error only says that it could not
    connect.
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
    """Yield the chain of causes, innermost first."""
    if error is None:
        return
    yield from _chain(error.__cause__ or error.__context__)
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _chain(inner)
    yield error
