"""What the head of a request must be, so that no two readers can understand it differently (RFC 9112)."""

import re
from collections.abc import Sequence

from .problems import BadRequest, ExpectationFailed, HeadTooLarge, Problem, TooLarge

MAX_TARGET_BYTES = 8 * 1024
MAX_HEAD_BYTES = 32 * 1024
"""Names and values of all headers. A token may have 8 KiB, and a browser's cookies come along unasked."""
MAX_HEADERS = 100
MAX_BODY_BYTES = 1024 * 1024
"""What the server takes off the socket; what a resource takes is its own, lower limit."""

Headers = Sequence[tuple[bytes, bytes]]

# Those that mean one thing: of two, one reader would take the first and another the last.
_ONCE = frozenset(
    (
        *(b"authorization", b"content-encoding", b"content-length", b"content-location", b"content-range", b"content-type"),
        *(b"access-control-request-headers", b"access-control-request-method", b"date", b"expect", b"host", b"idempotency-key"),
        *(b"if-modified-since", b"if-range", b"if-unmodified-since", b"max-forwards", b"origin", b"proxy-authorization"),
        *(b"range", b"transfer-encoding"),
    )
)

# RFC 9110, section 7.2, without what no name of a server holds: an address in brackets, or a name; perhaps a port.
_HOST = re.compile(rb"(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._~-]{1,253})(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(/[^#]*)?", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]{1,19}")


def check(method: bytes, target: bytes, version: str, headers: Headers, *, upgrade: bool) -> None:
    """Pass a head that has one meaning. Raises the Problem that it is, else.

    `headers`: names in lower case. Names and values are taken to be valid characters, and Content-Length and
    Transfer-Encoding not to stand together: the parser sees to that.
    """
    if version not in ("1.1", "1.0"):
        raise BadRequest("The versions of HTTP are 1.1 and 1.0")
    given: dict[bytes, bytes] = {}
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        if name in _ONCE:
            if name in given:
                raise BadRequest(f"More than one {name.decode().title()} header")
            given[name] = value
    if size > MAX_HEAD_BYTES:
        raise HeadTooLarge
    _check_host(given.get(b"host"), version)
    _check_target(method, target, given.get(b"host"))
    if problem := _framing_problem(given, version, upgrade=upgrade):
        raise problem
    if given.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise ExpectationFailed


def _check_host(host: bytes | None, version: str) -> None:
    if host is None and version == "1.0":
        return  # it did not exist then, and simple probes still do without
    if host is None:
        raise BadRequest("The Host header is missing")
    if not _HOST.fullmatch(host):
        raise BadRequest("The Host header is not a host")


def _check_target(method: bytes, target: bytes, host: bytes | None) -> None:
    if target.startswith(b"/"):
        sound = b"#" not in target and method != b"CONNECT"
    elif absolute := _ABSOLUTE.fullmatch(target):
        # A proxy's form, which every server must take (RFC 9112, section 3.2.2) - for the host that was asked.
        sound = host is not None and absolute[1].lower() == host.lower() and absolute[2] is not None
    else:
        sound = target == b"*" and method == b"OPTIONS"
    if not sound:
        raise BadRequest("The request target is not a path of this server")


def _framing_problem(given: dict[bytes, bytes], version: str, *, upgrade: bool) -> Problem | None:
    length, coding = given.get(b"content-length"), given.get(b"transfer-encoding")
    if coding is not None:
        if version == "1.0":
            return BadRequest("HTTP/1.0 has no Transfer-Encoding")
        if coding.strip().lower() != b"chunked":
            return BadRequest("The only Transfer-Encoding is chunked")
    if length is not None:
        if not _DIGITS.fullmatch(length.strip()):
            return BadRequest("The Content-Length is not a number")
        if int(length) > MAX_BODY_BYTES:
            return TooLarge()
    if upgrade and (coding is not None or (length is not None and int(length))):
        return BadRequest("A request with a body cannot ask for an upgrade")
    return None
