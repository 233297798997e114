"""Checks of JSON that pydantic lacks: duplicate members, and objects with too many members."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from .faults import MAX_FAULTS, pointer
from .problem_types import Invalid

MAX_MEMBERS = 100
"""Most members of an object."""


class _RepeatedError(Exception):
    """Some object has a duplicate member."""


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _RepeatedError


def _few(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > MAX_MEMBERS:
        detail = f"Must not have more than {MAX_MEMBERS} members"
        raise Invalid([{"pointer": "", "detail": detail, "code": "too_many_members"}])


# Shared: json.loads() with a hook would make a decoder for every body.
_DECODER = json.JSONDecoder(object_pairs_hook=_once)
_PAIRS_DECODER = json.JSONDecoder(object_pairs_hook=tuple)
_COUNTING_DECODER = json.JSONDecoder(object_pairs_hook=_few)


def check_number(content: bytes) -> None:
    """Raise Invalid for an object with too many members: reporting each one's fault takes ten times
    as long as parsing them.
    """
    with contextlib.suppress(ValueError, RecursionError):
        _COUNTING_DECODER.decode(content.decode())


def check_once(content: bytes) -> None:
    """Raise Invalid for duplicate members, which pydantic accepts.

    Only for bodies that pydantic has accepted: flat, valid JSON with few members.
    """
    try:
        _DECODER.decode(content.decode())
    except _RepeatedError:
        places = islice(_repeated(_PAIRS_DECODER.decode(content.decode()), ()), MAX_FAULTS)
        raise Invalid(
            [
                {"pointer": pointer(place), "detail": "Must stand once", "code": "repeated"}
                for place in places
            ]
        ) from None


def _repeated(value: Any, at: tuple[int | str, ...]) -> Iterator[tuple[int | str, ...]]:
    """Yield the locations of duplicate members in an array, or in an object as a tuple of pairs."""
    pairs = value
    if type(value) is tuple:
        counts = Counter([name for name, _ in value])
        yield from [(*at, name) for name, count in counts.items() if count > 1]
    else:
        pairs = enumerate(value)
    for step, inner in pairs:
        if type(inner) is tuple or type(inner) is list:
            yield from _repeated(inner, (*at, step))
