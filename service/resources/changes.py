"""What became of an owner's tasks: the feed that an offline copy catches up from."""

from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import ConfigDict, Field, with_config
from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..auth.bearer import owner_of
from ..contract.operation import Answer, Example, Operation
from ..db.queries import Queries
from ..owner import OwnerId
from ..web.cursors import MAX_TOKEN_CHARACTERS
from ..web.exchange import Exchange
from ..web.input import WHOLE, Query, query_of
from ..web.problem_types import Expired, TooSlow
from ..web.replies import reply
from .members import UserId
from .paging import bounded
from .services import services_of
from .task import EXAMPLE, Task, task_of


@with_config(ConfigDict(use_attribute_docstrings=True))
class Change(TypedDict):
    """A task that was created, changed or deleted."""

    id: UUID
    """Which task."""
    sequence: Annotated[int, Field(ge=1)]
    """The number of its latest change; each change of the owner's has the next one."""
    deleted: bool
    """Whether it is gone."""
    task: Task | None
    """Its latest form; null when it is gone."""


@with_config(ConfigDict(use_attribute_docstrings=True))
class ChangePage(TypedDict):
    """Changes in the order they happened."""

    items: list[Change]
    """Each task once."""
    next: str
    """Where to go on, as `since`: at once while there is `more`, later when not."""
    more: bool
    """Whether there are more changes now."""


SyncToken = Annotated[
    str,
    Field(min_length=1, max_length=MAX_TOKEN_CHARACTERS, json_schema_extra={"format": "position"}),
]


class ChangeQuery(Query):
    """Where to go on, and how far."""

    since: SyncToken | None = None
    """`next` of an earlier answer; without it all tasks are new."""
    limit: Annotated[int, Field(ge=1, le=500), WHOLE] = 100
    """How many changes an answer may have; it has fewer where they do not fit into 256 KiB."""


class Position(NamedTuple):
    """What a client knows: every change up to `after`, and no task that was deleted before `base`.

    A first sync begins with nothing, so deletions up to its beginning are no news to it, for all
    its pages.
    """

    after: int
    base: int


class Feed(NamedTuple):
    """A page of the feed. `newest`: the number of the owner's latest change, 0 before the first."""

    items: list[Change]
    position: Position
    """What is known with this page."""
    newest: int
    more: bool

    def first(self, count: int) -> "Feed":
        """A page of the first `count` items only."""
        if count == len(self.items):
            return self
        position = Position(self.items[count - 1]["sequence"], self.position.base)
        return Feed(self.items[:count], position, self.newest, more=True)


async def feed_after(queries: Queries, owner: OwnerId, since: Position | None, limit: int) -> Feed:
    """Read up to `limit` changes after a position, all tasks without one. Raises Expired."""
    rows = await queries.many(
        "changes/list",
        owner,
        after=since.after if since else 0,
        deleted_after=since.base if since else None,
        page_size=limit + 1,
    )
    newest, horizon = (rows[0]["newest"], rows[0]["horizon"]) if rows else (0, 0)
    base = since.base if since else newest
    # Deletions that were purged since the client's last page are missing from this one; a client
    # that has seen nothing yet misses none. And one that has seen more than there is has seen what
    # an erased account had, or what a restored backup does not have.
    known = max(base, since.after if since else 0)
    if 0 < known < horizon or (since is not None and since.after > newest):
        raise Expired
    changes = [row for row in rows if row["id"] is not None]
    more = len(changes) > limit
    items: list[Change] = [
        {
            "id": row["id"],
            "sequence": row["sequence"],
            "deleted": row["deleted"],
            "task": None if row["deleted"] else task_of(row),
        }
        for row in changes[:limit]
    ]
    return Feed(items, Position(items[-1]["sequence"] if more else newest, base), newest, more)


EXAMPLE_CHANGE = {
    "id": EXAMPLE["id"],
    "sequence": 1767323045678902,
    "deleted": False,
    "task": EXAMPLE,
}


@Operation(
    tag="tasks",
    auth=owner_of,
    path={"user_id": UserId},
    query=ChangeQuery,
    answers={200: Answer("What happened since.", ChangePage)},
    problems=(TooSlow, Expired),
    examples=(
        Example(
            "All there is",
            200,
            {
                "items": [EXAMPLE_CHANGE],
                "next": "xtuUcUVMwP7jBYyJbP0U9VsxLDFd",
                "more": False,
            },
        ),
    ),
)
async def list_changes(request: Exchange) -> Response:
    """List what was created, changed or deleted since a moment, each task once, in its latest form.

    Keep `next` with the copy that you make, and send it as `since` next time. 410 means that
    deletions since then have been forgotten: start again without it.
    """
    owner = owner_of(request)
    query = query_of(request, ChangeQuery)
    services = services_of(request)
    cursors = services.cursors
    since = (
        cursors.open("changes", owner, query.since, Position, parameter="since", unknown=Expired)
        if query.since is not None
        else None
    )
    feed = await feed_after(services.queries, owner, since, query.limit)

    def answer(count: int) -> Response:
        part = feed.first(count)
        page: ChangePage = {
            "items": part.items,
            "next": cursors.seal("changes", owner, part.position),
            "more": part.more,
        }
        return reply(page)

    return bounded(answer, feed.items)
