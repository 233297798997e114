"""Which of the forms on offer a client takes (RFC 9110, section 12.5.1)."""

import re
from collections.abc import Sequence
from functools import lru_cache

_RANGE = re.compile(r"\s*([\w!#$&^.+-]+|\*)/([\w!#$&^.+-]+|\*)\s*((?:;[^,]*)?)")
_QUALITY = re.compile(r";\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE)


LONGEST_KEPT = 256
"""Characters of Accept headers up to which what is found is remembered."""


def best(accept: tuple[str, ...], offered: tuple[str, ...]) -> str | None:
    """The offered media type that the Accept headers like best, the earlier of equals; None when
    they take none.

    No header, or one that cannot be read, takes everything. Parameters other than `q` are not
    looked at: what we offer has none.
    """
    find = _best if sum(map(len, accept)) <= LONGEST_KEPT else _best.__wrapped__
    return find(accept, offered)


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
    """What the most specific range that covers the type says of it."""
    kind, _, subtype = media_type.partition("/")
    for wanted in ((kind, subtype), (kind, "*"), ("*", "*")):
        for given_kind, given_subtype, parameters in ranges:
            if (given_kind.lower(), given_subtype.lower()) == wanted:
                quality = _QUALITY.search(parameters)
                return float(quality[1]) if quality else 1.0
    return 0.0
