"""What pydantic does not look at in JSON: members that stand twice, and objects of far too many."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from .faults import MAX_FAULTS, pointer
from .problem_types import Invalid

MAX_MEMBERS = 100
"""How many members an object may have before it is refused for that alone."""


class _RepeatedError(Exception):
    """A member stands twice, somewhere."""


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _RepeatedError


def _few(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > MAX_MEMBERS:
        detail = f"Must not have more than {MAX_MEMBERS} members"
        raise Invalid([{"pointer": "", "detail": detail, "code": "too_many_members"}])


# One for all: json.loads() with a hook would make a decoder for every body.
_DECODER = json.JSONDecoder(object_pairs_hook=_once)
_PAIRS_DECODER = json.JSONDecoder(object_pairs_hook=tuple)
_COUNTING_DECODER = json.JSONDecoder(object_pairs_hook=_few)


def check_number(content: bytes) -> None:
    """Raise Invalid for an object of far too many members: to say of each of them what is wrong
    with it takes ten times as long as to read them.
    """
    with contextlib.suppress(ValueError, RecursionError):
        _COUNTING_DECODER.decode(content.decode())


def check_once(content: bytes) -> None:
    """Raise Invalid for members that stand twice: of two titles, nobody knows which was meant.
    Pydantic does not look.

    Only for what pydantic has accepted: flat, sound JSON, whose members are few.
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
    """Where members stand twice in an array, or in an object, which is a tuple of pairs."""
    pairs = value
    if type(value) is tuple:
        counts = Counter([name for name, _ in value])
        yield from [(*at, name) for name, count in counts.items() if count > 1]
    else:
        pairs = enumerate(value)
    for step, inner in pairs:
        if type(inner) is tuple or type(inner) is list:
            yield from _repeated(inner, (*at, step))
