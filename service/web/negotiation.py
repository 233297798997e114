"""Content negotiation (RFC 9110, sections 12.5.1 and 12.5.3)."""

import re
from collections.abc import Sequence
from functools import lru_cache

_RANGE = re.compile(r"\s*([\w!#$&^.+-]+|\*)/([\w!#$&^.+-]+|\*)\s*((?:;[^,]*)?)")
_QUALITY = re.compile(r";\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)


LONGEST_KEPT = 256
"""Characters of Accept headers up to which results are cached."""


def best(accept: tuple[str, ...], offered: tuple[str, ...]) -> str | None:
    """Return the offered media type that the Accept headers prefer, the first of equals; None if
    they accept none.

    A missing or malformed header accepts everything. Parameters other than `q` are ignored: our
    media types have none.
    """
    find = _best if sum(map(len, accept)) <= LONGEST_KEPT else _best.__wrapped__
    return find(accept, offered)


def takes(coding: str, accept_encoding: Sequence[str]) -> bool:
    """Return whether the Accept-Encoding headers name the coding with `q` above 0."""
    for part in ",".join(accept_encoding).split(","):
        name, separator, parameters = part.partition(";")
        if name.strip().lower() == coding:
            return _weight(separator + parameters) > 0
    return False


@lru_cache(maxsize=256)  # clients' libraries send few different ones
def _best(accept: tuple[str, ...], offered: tuple[str, ...]) -> str | None:
    ranges = [
        found.groups() for part in ",".join(accept).split(",") if (found := _RANGE.fullmatch(part))
    ]
    if not ranges:
        return offered[0]
    likes = {media_type: _quality(ranges, media_type) for media_type in offered}
    liked = max(offered, key=lambda media_type: likes[media_type])
    return liked if likes[liked] > 0 else None


def _quality(ranges: Sequence[tuple[str, ...]], media_type: str) -> float:
    """Return the weight of the most specific range that matches the type."""
    kind, _, subtype = media_type.partition("/")
    for wanted in ((kind, subtype), (kind, "*"), ("*", "*")):
        for given_kind, given_subtype, parameters in ranges:
            if (given_kind.lower(), given_subtype.lower()) == wanted:
                return _weight(parameters)
    return 0.0


def _weight(parameters: str) -> float:
    quality = _QUALITY.search(parameters)
    return float(quality[1]) if quality else 1.0
