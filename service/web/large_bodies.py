"""Limit bodies larger than any task: their objects stay in memory until the response."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..owner import OwnerId
from .exchange import turned_away
from .input import MAX_BODY_BYTES
from .problem_types import TooManyRequests, Unavailable

ROOM = 8
"""Bodies above MAX_BODY_BYTES that a process handles at once."""
SHARE = 2
"""How many of them one owner may have."""


class LargeBodies:
    """The large bodies in progress in an application."""

    def __init__(self) -> None:
        self._inside: Counter[OwnerId] = Counter()

    @contextmanager
    def slot(self, owner: OwnerId, size: int) -> Iterator[None]:
        """Take a slot for the `with` block, if a body of `size` bytes needs one.

        Raises TooManyRequests if the owner's share is taken, Unavailable if all slots are.
        """
        if size <= MAX_BODY_BYTES:
            yield
            return
        if self._inside[owner] >= SHARE:
            turned_away("share")
            raise TooManyRequests("Too many large bodies at once", retry_after=1)
        if self._inside.total() >= ROOM:
            turned_away("room")
            raise Unavailable("Too many large bodies at once")
        self._inside[owner] += 1
        try:
            yield
        finally:
            self._inside[owner] -= 1
            if not self._inside[owner]:
                del self._inside[owner]
