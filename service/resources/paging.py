"""Places in the list of tasks: what a cursor holds, and the links that lead on."""

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
"""A page ends before it is longer than that, whatever its limit: it is kept in memory until the
client has read it.
"""

_encode = msgspec.json.Encoder().encode


def bounded(answer: Callable[[int], Response], items: Sequence[object]) -> Response:
    """What `answer` makes of all the items, or of as many of the first as MAX_PAGE_BYTES hold, one
    at least.
    """
    whole = answer(len(items))
    if len(whole.body) <= MAX_PAGE_BYTES:
        return whole
    size = len(whole.body) - sum(len(_encode(item)) for item in items)
    fitting = 0
    for item in items:
        size += len(_encode(item))
        if size > MAX_PAGE_BYTES:
            break
        fitting += 1
    return answer(max(fitting, 1))


class Place(msgspec.Struct, array_like=True, frozen=True):
    """A place in the list as it is kept, newest first: just below the task that was created then
    and has this id.
    """

    created_at: datetime
    id: UUID

    @classmethod
    def below(cls, row: shapes.Task) -> "Place":
        """The place below a task."""
        return cls(row["created_at"], row["id"])


class Sorted(msgspec.Struct, array_like=True, frozen=True):
    """A place in one of the orders of tasks/filter."""

    rank: int
    number: float | None
    """None is infinite, which JSON has no word for: above all at rank -1, otherwise below."""
    letters: str
    id: UUID

    @classmethod
    def below(cls, row: shapes.Placed) -> "Sorted":
        """The place below a task."""
        number = row["number"]
        return cls(row["rank"], None if math.isinf(number) else number, row["letters"], row["id"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The place as tasks/filter takes it."""
        infinite = -math.inf if self.rank < 0 else math.inf
        return {
            "rank": self.rank,
            "number": infinite if self.number is None else self.number,
            "letters": self.letters,
            "id": self.id,
        }


LAST_ID = UUID(int=2**128 - 1)
TOP = Place(datetime.max.replace(tzinfo=UTC), LAST_ID)
SORTED_TOP = Sorted(-1, None, "", LAST_ID)
"""Where the first page begins: above all tasks."""

P = TypeVar("P", Place, Sorted)


class Paging:
    """The cursors of one owner's list in one order, under its filters; any other list has
    others.
    """

    def __init__(self, request: Exchange, owner: OwnerId, chosen: str) -> None:
        """`chosen` are the filters and the order, as they stand in a URL."""
        self._request = request
        self._owner = str(owner)  # the very type: an encoder does not know ours
        self._chosen = chosen
        self._purpose = f"tasks?{chosen}"

    def cursor(self, place: Place | Sorted) -> str:
        """The place as a cursor."""
        return services_of(self._request).cursors.seal(self._purpose, self._owner, place)

    def place(self, cursor: str | None, top: P) -> P:
        """The cursor's place, `top` without one. Raises Invalid for what is no cursor of this
        list.
        """
        if cursor is None:
            return top
        return services_of(self._request).cursors.open(
            self._purpose, self._owner, cursor, type(top), parameter="cursor"
        )

    def links(self, limit: int, following: str | None) -> str:
        """The Link header of a page. There is no `prev`: the way back is the cursors that the
        client came by, which stay good.
        """
        chosen = f"{self._chosen}&" if self._chosen else ""
        page = f"{path_of(self._request)}?{chosen}limit={limit}"
        first = f'<{page}>; rel="first"'
        return first if following is None else f'<{page}&cursor={following}>; rel="next", {first}'
