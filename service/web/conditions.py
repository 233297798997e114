"""Entity tags and the conditions of a request (RFC 9110, sections 8.8.3 and 13).

A task's tag is its version. A proxy that compresses a response marks its tag: as weak (nginx,
HAProxy), or with a suffix (Apache), and passes the marked tag on in requests. All our tags are
strong, and the mark does not change the version: so marks are ignored, in If-Match too, whose
strong comparison would refuse every change behind such a proxy.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..db.shapes import Versions
from .exchange import Exchange
from .problem_types import BadRequest, PreconditionFailed

# Between the quotes: visible characters except the quote, and bytes beyond ASCII.
_TAG = re.compile(r"""[ \t,]*(?:W/)?"(?P<opaque>[\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)""")
_VERSION = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_COMPRESSED = re.compile(r"[-;]{1,2}(?:gzip|br|zstd|deflate)$")

Tags = frozenset[str] | Literal["*"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """The tags of If-Match and If-None-Match; None without such a header."""

    match: Tags | None
    none_match: Tags | None

    @property
    def given(self) -> bool:
        """Whether the request has any condition."""
        return self.match is not None or self.none_match is not None

    @property
    def wanted(self) -> list[int] | None:
        """The versions that a change may find; None: any; empty: the task must not exist."""
        if self.none_match == "*":
            return []
        return None if self.match is None or self.match == "*" else _versions(self.match)

    @property
    def unwanted(self) -> list[int]:
        """The versions that a change must not find."""
        return (
            [] if self.none_match is None or self.none_match == "*" else _versions(self.none_match)
        )

    @property
    def may_create(self) -> bool:
        """Whether the task need not exist: there is no If-Match."""
        return self.match is None

    @property
    def parameters(self) -> Versions:
        """Return `wanted` and `unwanted` as parameters of statements."""
        return {
            "wanted": None if self.wanted is None else str(self.wanted),
            "unwanted": str(self.unwanted),
        }

    def fit(self, version: int) -> bool:
        """Return whether a change may find this version, as the statements check it."""
        return (self.wanted is None or version in self.wanted) and version not in self.unwanted

    def allow_reading(self, tag: str) -> bool:
        """Return whether to answer a GET with the task; if not, with 304. Raises PreconditionFailed
        if If-Match fails.
        """
        opaque = tag.strip('"')
        if self.match is not None and self.match != "*" and opaque not in self.match:
            raise PreconditionFailed(tag)
        return self.none_match is None or not (self.none_match == "*" or opaque in self.none_match)


_UNCONDITIONAL = Conditions(None, None)


def conditions_of(request: Exchange) -> Conditions:
    """Return the request's conditions. Raises BadRequest for a header that is no list of tags."""
    if b"if-match" not in request.first_lines and b"if-none-match" not in request.first_lines:
        return _UNCONDITIONAL
    match, none_match = request.lines(b"if-match"), request.lines(b"if-none-match")
    return Conditions(_tags("If-Match", match), _tags("If-None-Match", none_match))


def is_known(request: Exchange, tag: str) -> bool:
    """Return whether If-None-Match has this tag, marked or not: the client has this representation.
    A header that is no list of tags has none.
    """
    try:
        none_match = _tags("If-None-Match", request.lines(b"if-none-match"))
    except BadRequest:
        return False
    return not Conditions(None, none_match).allow_reading(tag)


def etag(version: int) -> str:
    """Return a task's tag: strong, as each version is exactly one state of the task."""
    return f'"{version}"'


def validators(tag: str) -> dict[str, str]:
    """Return the headers of a response that only the client may cache, and must revalidate."""
    return {"ETag": tag, "Cache-Control": "private, no-cache"}


def _tags(header: str, lines: Sequence[str]) -> Tags | None:
    if not lines:
        return None
    text = ", ".join(lines).strip(" \t")
    if text == "*":
        return "*"
    found: set[str] = set()
    position = 0
    while position < len(text):
        tag = _TAG.match(text, position)
        if tag is None:
            raise BadRequest(f'{header} must be * or a list of entity tags: "1", "2"')
        found.add(_COMPRESSED.sub("", tag["opaque"]))
        position = tag.end()
    if position == 0:
        raise BadRequest(f"{header} must not be empty")
    return frozenset(found)


def _versions(tags: frozenset[str]) -> list[int]:
    return [int(tag) for tag in sorted(tags) if _VERSION.fullmatch(tag)]
