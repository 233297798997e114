"""Places in the list of tasks: what a cursor holds, and the links that lead on."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import msgspec
from starlette.responses import Response

from ..db import shapes
from ..owner import OwnerId
from ..web.cursors import cursors_of
from ..web.exchange import Exchange
from ..web.replies import path_of

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
    """A place in the order of the list, newest first: just below the task that was created then and
    has this id.
    """

    created_at: datetime
    id: UUID

    @classmethod
    def below(cls, row: shapes.Task) -> "Place":
        """The place below a task."""
        return cls(row["created_at"], row["id"])


TOP = Place(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))
"""Where the first page begins: above all tasks."""


class Paging:
    """The cursors of one owner's list under one filter; any other owner, or filter, has others."""

    def __init__(self, request: Exchange, owner: OwnerId, *, completed: bool | None) -> None:
        self._request = request
        self._owner = str(owner)  # the very type: an encoder does not know ours
        self._completed: Literal["true", "false"] | None = (
            None if completed is None else "true" if completed else "false"
        )
        self._purpose = f"tasks newest first, completed={self._completed}"

    def cursor(self, place: Place) -> str:
        """The place as a cursor."""
        return cursors_of(self._request).seal(self._purpose, self._owner, place)

    def place(self, cursor: str) -> Place:
        """The cursor's place. Raises Invalid for what is no cursor of this list."""
        return cursors_of(self._request).open(
            self._purpose, self._owner, cursor, Place, parameter="cursor"
        )

    def links(self, limit: int, following: str | None) -> str:
        """The Link header of a page. There is no `prev`: the way back is the cursors that the
        client came by, which stay good.
        """
        # Numbers, words of ours and cursors stand in a URL as they are.
        filtered = f"completed={self._completed}&" if self._completed else ""
        page = f"{path_of(self._request)}?{filtered}limit={limit}"
        first = f'<{page}>; rel="first"'
        return first if following is None else f'<{page}&cursor={following}>; rel="next", {first}'
