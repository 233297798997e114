"""The feed of an owner's changes, from which an offline copy syncs."""

from typing import Annotated, NamedTuple
from uuid import UUID

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..auth.bearer import owner_of
from ..contract.operation import Answer, Example, Operation
from ..db.queries import Queries
from ..owner import OwnerId
from ..web.cursors import token_field
from ..web.exchange import Exchange
from ..web.input import WHOLE, Query, query_of
from ..web.problem_types import Expired, TooSlow
from ..web.replies import reply
from .members import UserId
from .paging import bounded
from .services import services_of
from .task import EXAMPLE, Task
from .task_columns import task_of, values_of


class Change(TypedDict):
    """A task that was created, changed or deleted."""

    id: UUID
    """The task's id."""
    sequence: Annotated[int, Field(ge=1)]
    """The sequence of its latest change; the owner's changes are numbered in order."""
    deleted: bool
    """Whether it is deleted."""
    task: Task | None
    """Its latest state; null if it is deleted."""


class ChangePage(TypedDict):
    """Changes in the order they happened."""

    items: list[Change]
    """Each task once."""
    next: str
    """The token to send as `since`: at once while there is `more`, otherwise later."""
    more: bool
    """Whether there are more changes now."""


SyncToken = Annotated[str, token_field("position")]


class ChangeQuery(Query):
    """The start and the size of a page of changes."""

    since: SyncToken | None = None
    """`next` of an earlier response; without it every task counts as changed."""
    limit: Annotated[int, Field(ge=1, le=500), WHOLE] = 100
    """The most changes in a response; fewer if they exceed 256 KiB."""


class Position(NamedTuple):
    """A client's state: it has every change up to `after`, and no task deleted before `base`.

    A first sync starts with no tasks, so none of its pages needs deletions from before its start.
    """

    after: int
    base: int


class Feed(NamedTuple):
    """A page of the feed. `newest`: the number of the owner's latest change, 0 before the first."""

    items: list[Change]
    position: Position
    """The client's state after this page."""
    newest: int
    more: bool

    def first(self, count: int) -> "Feed":
        """Return a page of the first `count` items."""
        if count == len(self.items):
            return self
        position = Position(self.items[count - 1]["sequence"], self.position.base)
        return Feed(self.items[:count], position, self.newest, more=True)


async def feed_after(queries: Queries, owner: OwnerId, since: Position | None, limit: int) -> Feed:
    """Read up to `limit` changes after a position, or of all tasks without one. Raises Expired."""
    rows = await queries.many(
        "changes/list",
        owner,
        after=since.after if since else 0,
        deleted_after=since.base if since else None,
        page_size=limit + 1,
    )
    newest, horizon = (rows[0]["newest"], rows[0]["horizon"]) if rows else (0, 0)
    base = since.base if since else newest
    # This page would lack deletions that were purged since the client's last one; a first sync
    # lacks none. A position beyond the newest change is from before an erased account or a restored
    # backup.
    known = max(base, since.after if since else 0)
    if 0 < known < horizon or (since is not None and since.after > newest):
        raise Expired
    changes = [row for row in rows if row["id"] is not None]
    values = values_of(changes)
    more = len(changes) > limit
    items: list[Change] = [
        {
            "id": row["id"],
            "sequence": row["sequence"],
            "deleted": row["deleted"],
            "task": None if row["deleted"] else task_of(row, values),
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
    """List the tasks created, changed or deleted since a token, each once, in its latest state.

    Keep `next` with your copy, and send it as `since` next time. 410 means that deletions since
    then are purged: start again without `since`.
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
