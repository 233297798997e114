"""Read a signed token's form strictly (RFC 7515): three base64url segments, JSON without variants.

Any variant would be a second text of the same token, or mean one thing here and another elsewhere.
"""

import base64
import json
import re
from typing import Any

from .refusals import TokenError

MAX_DEPTH = 32
"""Greatest nesting depth of a header's or payload's JSON."""

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(rb"[\[\]{}]")

# Three base64url segments without padding are a JWS (RFC 7515, section 3.1); five are a JWE (RFC
# 7516, section 3.1), whose second may be empty.
_COMPACT = re.compile(rb"([\w-]+)\.([\w-]+)\.([\w-]+)")
_ENCRYPTED = re.compile(rb"[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+")


def header_of(token: bytes) -> bytes:
    """Return a token's decoded header. Raises TokenError if any segment is malformed."""
    segments = _COMPACT.fullmatch(token)
    if segments is None:
        raise TokenError("encrypted" if _ENCRYPTED.fullmatch(token) else "form")
    header, _, _ = [_decoded(segment) for segment in segments.groups()]
    return header


def object_in(content: bytes) -> dict[str, Any]:
    """Parse a JSON object (RFC 8259) without duplicate members. Raises TokenError."""
    if _too_deep(content):
        raise TokenError("form")
    try:
        members = json.loads(
            content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        raise TokenError("form") from None
    if not isinstance(members, dict):
        raise TokenError("form")
    return members


def _too_deep(content: bytes) -> bool:
    """Return whether JSON is nested deeper than MAX_DEPTH: parsers' own limits vary by version."""
    if content.count(b"[") + content.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", content)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _decoded(segment: bytes) -> bytes:
    """Decode a base64url segment. Raises TokenError for stray bits: with them many texts would be
    the same token.
    """
    padded = segment + b"=" * (-len(segment) % 4)
    try:
        content = base64.urlsafe_b64decode(padded)
    except ValueError:
        raise TokenError("form") from None
    if base64.urlsafe_b64encode(content) != padded:
        raise TokenError("form")
    return content
