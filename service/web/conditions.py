"""Entity tags and the conditions of a request (RFC 9110, sections 8.8.3 and 13).

A task's tag is its version. A proxy that compresses an answer has to mark its tag: as weak (nginx,
HAProxy), or with a suffix (Apache). It hands the tag back to us as it is. No tag of ours is weak,
and any mark leaves the version what it was: so marks are not looked at, in If-Match either, whose
strong comparison would refuse every change behind such a proxy.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..db.shapes import Versions
from .exchange import Exchange
from .problem_types import BadRequest, PreconditionFailed

# What stands between the quotes may be any visible character but the quote, and bytes beyond ASCII.
_TAG = re.compile(r"""[ \t,]*(?:W/)?"(?P<opaque>[\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?:,|$)""")
_VERSION = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_COMPRESSED = re.compile(r"[-;]{1,2}(?:gzip|br|zstd|deflate)$")

Tags = frozenset[str] | Literal["*"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """The tags that If-Match and If-None-Match name; None where the request has no such header."""

    match: Tags | None
    none_match: Tags | None

    @property
    def given(self) -> bool:
        """Whether there are any."""
        return self.match is not None or self.none_match is not None

    @property
    def wanted(self) -> list[int] | None:
        """The only versions that a change may find; None: any. No version at all where an existing
        task is not wanted.
        """
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
        """If-Match, whatever it names, wants something to be there."""
        return self.match is None

    @property
    def parameters(self) -> Versions:
        """`wanted` and `unwanted` as the statements take them."""
        return {
            "wanted": None if self.wanted is None else str(self.wanted),
            "unwanted": str(self.unwanted),
        }

    def fit(self, version: int) -> bool:
        """Whether a change may find this version; what the statements ask of the row they have
        locked.
        """
        return (self.wanted is None or version in self.wanted) and version not in self.unwanted

    def allow_reading(self, tag: str) -> bool:
        """Whether a GET has to be answered in full; if not, it is 304. Raises PreconditionFailed
        for an If-Match that fails.
        """
        opaque = tag.strip('"')
        if self.match is not None and self.match != "*" and opaque not in self.match:
            raise PreconditionFailed(tag)
        return self.none_match is None or not (self.none_match == "*" or opaque in self.none_match)


_UNCONDITIONAL = Conditions(None, None)


def conditions_of(request: Exchange) -> Conditions:
    """The request's conditions. Raises BadRequest for a header that is no list of tags."""
    if b"if-match" not in request.first_lines and b"if-none-match" not in request.first_lines:
        return _UNCONDITIONAL
    match, none_match = request.lines(b"if-match"), request.lines(b"if-none-match")
    return Conditions(_tags("If-Match", match), _tags("If-None-Match", none_match))


def is_known(request: Exchange, tag: str) -> bool:
    """Whether If-None-Match names this tag, compressed or not: the client has what it asks for. A
    header that is no list of tags names none.
    """
    try:
        none_match = _tags("If-None-Match", request.lines(b"if-none-match"))
    except BadRequest:
        return False
    return not Conditions(None, none_match).allow_reading(tag)


def etag(version: int) -> str:
    """A task's tag: strong, for a version is one state of one task and never another's."""
    return f'"{version}"'


def validators(tag: str) -> dict[str, str]:
    """The headers of an answer that can be asked for again: kept by the client alone, and never
    used without asking.
    """
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
