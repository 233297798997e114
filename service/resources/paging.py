"""Positions in the list of tasks, cursors, and the Link header."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from starlette.responses import Response

from ..db import shapes
from ..owner import OwnerId
from ..web.exchange import Exchange
from ..web.replies import path_of
from .services import services_of

MAX_PAGE_BYTES = 256 * 1024
"""Bytes of a page at most, even if its limit allows more items: it stays in memory until the client
has read it.
"""

_encode = msgspec.json.Encoder().encode


def bounded(answer: Callable[[int], Response], items: Sequence[object]) -> Response:
    """Return `answer` of all the items, or of the first ones that fit MAX_PAGE_BYTES, at least
    one.
    """
    answered = answer(len(items))
    if len(answered.body) <= MAX_PAGE_BYTES:
        return answered
    size = len(answered.body) - sum(len(_encode(item)) for item in items)
    fitting = 0
    for item in items:
        size += len(_encode(item))
        if size > MAX_PAGE_BYTES:
            break
        fitting += 1
    return answer(max(fitting, 1))


class ListPosition(msgspec.Struct, array_like=True, frozen=True):
    """A position in the list, newest first: just below the task with this time and id."""

    created_at: datetime
    id: UUID

    @classmethod
    def below(cls, row: shapes.Task) -> "ListPosition":
        """Return the position below a task."""
        return cls(row["created_at"], row["id"])


class SortedPosition(msgspec.Struct, array_like=True, frozen=True):
    """A position in one of the orders of tasks/filter."""

    rank: int
    number: float | None
    """None is infinity, which JSON lacks: negative at rank -1, otherwise positive."""
    letters: str
    id: UUID

    @classmethod
    def below(cls, row: shapes.Placed) -> "SortedPosition":
        """Return the position below a task."""
        number = row["number"]
        return cls(row["rank"], None if math.isinf(number) else number, row["letters"], row["id"])

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the position as parameters of tasks/filter."""
        infinite = -math.inf if self.rank < 0 else math.inf
        return {
            "rank": self.rank,
            "number": infinite if self.number is None else self.number,
            "letters": self.letters,
            "id": self.id,
        }


LAST_ID = UUID(int=2**128 - 1)
TOP = ListPosition(datetime.max.replace(tzinfo=UTC), LAST_ID)
SORTED_TOP = SortedPosition(-1, None, "", LAST_ID)
"""The start of the first page: above all tasks."""

P = TypeVar("P", ListPosition, SortedPosition)


class Paging:
    """The cursors of one owner's list with its filters and order; they are valid for no other."""

    def __init__(self, request: Exchange, owner: OwnerId, chosen: str) -> None:
        """`chosen`: the filters and the order, as in a URL."""
        self._request = request
        self._owner = str(owner)  # the encoder does not know OwnerId
        self._chosen = chosen
        self._purpose = f"tasks?{chosen}"

    def cursor(self, position: ListPosition | SortedPosition) -> str:
        """Return the cursor of a position."""
        return services_of(self._request).cursors.seal(self._purpose, self._owner, position)

    def position(self, cursor: str | None, top: P) -> P:
        """Return the cursor's position, `top` without one. Raises Invalid for a cursor that is not
        this list's.
        """
        if cursor is None:
            return top
        return services_of(self._request).cursors.open(
            self._purpose, self._owner, cursor, type(top), parameter="cursor"
        )

    def links(self, limit: int, following: str | None) -> str:
        """Return the Link header of a page. There is no `prev`: clients go back by the cursors that
        they used before, which stay valid.
        """
        chosen = f"{self._chosen}&" if self._chosen else ""
        page = f"{path_of(self._request)}?{chosen}limit={limit}"
        first = f'<{page}>; rel="first"'
        return first if following is None else f'<{page}&cursor={following}>; rel="next", {first}'
