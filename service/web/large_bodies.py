"""Room for bodies that are larger than any task. What they are parsed into stays in memory until
they are answered, so there may be a few at once only.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..owner import OwnerId
from .exchange import turned_away
from .input import MAX_BODY_BYTES
from .problem_types import TooManyRequests, Unavailable

ROOM = 8
"""Bodies beyond MAX_BODY_BYTES that a process may be at work on."""
SHARE = 2
"""How many of them may be one owner's."""


class LargeBodies:
    """The large bodies that an application is at work on."""

    def __init__(self) -> None:
        self._inside: Counter[OwnerId] = Counter()

    @contextmanager
    def place(self, owner: OwnerId, size: int) -> Iterator[None]:
        """Take a place, if a body of `size` bytes needs one, as long as the block lasts.

        Raises TooManyRequests where the owner has a share already, Unavailable where all is taken.
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
