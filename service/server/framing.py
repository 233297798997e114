"""Refuse requests whose header section two recipients could read differently (RFC 9112)."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from ..web.problem_types import BadRequest, ExpectationFailed, TooLarge

MAX_TARGET_BYTES = 8 * 1024
MAX_HEAD_BYTES = 32 * 1024
"""Bytes of all names and values. A token may have 8 KiB, and browsers add their cookies."""
MAX_HEADERS = 100
MAX_HOST_BYTES = 253 + len(":65535")
MAX_BODY_BYTES = 1024 * 1024
"""Bytes of a body that the server reads; resources have lower limits of their own."""

Headers = Sequence[tuple[bytes, bytes]]

# Headers with a single value: of two, recipients would take the first or the last.
_ONCE = frozenset(
    (
        *(
            b"authorization",
            b"content-encoding",
            b"content-length",
            b"content-location",
            b"content-range",
            b"content-type",
        ),
        *(
            b"access-control-request-headers",
            b"access-control-request-method",
            b"date",
            b"expect",
            b"host",
            b"idempotency-key",
        ),
        *(
            b"if-modified-since",
            b"if-range",
            b"if-unmodified-since",
            b"max-forwards",
            b"origin",
            b"proxy-authorization",
        ),
        *(b"range", b"transfer-encoding"),
    )
)

# RFC 9110, section 7.2: an address in brackets, or a name of usual characters; perhaps a port.
_HOST = re.compile(rb"(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._~-]{1,253})(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(/[^#]*)?", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]{1,19}")


def size_of(headers: Headers) -> int:
    """Return the bytes of all names and values."""
    return sum(map(len, chain.from_iterable(headers)))


def check(method: bytes, target: bytes, version: str, headers: Headers) -> dict[bytes, bytes]:
    """Return the headers by name. Raises a Problem if the header section is ambiguous.

    `headers`: names in lower case. The parser has checked the characters of names and values, and
    refused Content-Length together with Transfer-Encoding.
    """
    if version not in ("1.1", "1.0"):
        raise BadRequest("The versions of HTTP are 1.1 and 1.0")
    given = dict(headers)
    if len(given) < len(headers):
        _check_repeated(headers)
    host = given.get(b"host")
    # HTTP/1.0 has no Host, and simple probes still send none
    if not (host is None and version == "1.0"):
        _check_host(host)
    _check_target(method, target, host)
    if b"content-length" in given or b"transfer-encoding" in given:
        _check_framing(given, version)
    if b"expect" in given and given[b"expect"].lower() != b"100-continue":
        raise ExpectationFailed
    return given


def _check_repeated(headers: Headers) -> None:
    for name, count in Counter(name for name, _ in headers).items():
        if count > 1 and name in _ONCE:
            raise BadRequest(f"More than one {name.decode().title()} header")


def _check_host(host: bytes | None) -> None:
    if host is None:
        raise BadRequest("The Host header is missing")
    if len(host) > MAX_HOST_BYTES:
        raise BadRequest("The Host header is not a host")
    _check_name(host)


@lru_cache(maxsize=64)
def _check_name(host: bytes) -> None:
    if not _HOST.fullmatch(host):
        raise BadRequest("The Host header is not a host")


def _check_target(method: bytes, target: bytes, host: bytes | None) -> None:
    if target.startswith(b"/"):
        # `in` would try the bytes as a number first, which costs 2,000 instructions more.
        sound = target.find(b"#") < 0 and method != b"CONNECT"
    elif absolute := _ABSOLUTE.fullmatch(target):
        # The absolute form, which every server must accept (RFC 9112, section 3.2.2), if it names
        # the same host.
        sound = host is not None and absolute[1].lower() == host.lower() and absolute[2] is not None
    else:
        sound = target == b"*" and method == b"OPTIONS"
    if not sound:
        raise BadRequest("The request target is not a path of this server")


def _check_framing(given: dict[bytes, bytes], version: str) -> None:
    length, coding = given.get(b"content-length"), given.get(b"transfer-encoding")
    if coding is not None:
        if version == "1.0":
            raise BadRequest("HTTP/1.0 has no Transfer-Encoding")
        if coding.strip().lower() != b"chunked":
            raise BadRequest("The only Transfer-Encoding is chunked")
    if length is not None:
        if not _DIGITS.fullmatch(length.strip()):
            raise BadRequest("The Content-Length is not a number")
        if int(length) > MAX_BODY_BYTES:
            raise TooLarge
