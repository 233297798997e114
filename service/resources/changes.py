"""What became of an owner's tasks: the feed that an offline copy catches up from."""

from typing import Annotated, NamedTuple, TypedDict
from uuid import UUID

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ..auth.bearer import owner_of
from ..web.cursors import cursors_of
from ..web.input import Query, WholeNumber, query_of
from ..web.problems import Expired
from ..web.replies import reply
from . import queries_of
from .tasks import Task, task_of


class Change(TypedDict):
    """A task that was created, changed or deleted; `task` is its latest form, null when it is deleted."""

    id: UUID
    sequence: int
    deleted: bool
    task: Task | None


class ChangePage(TypedDict):
    """Changes in the order they happened. `next` is where to go on: at once while there is `more`, later when not."""

    items: list[Change]
    next: str
    more: bool


class ChangeQuery(Query):
    """Where to go on, and how far."""

    since: str | None = None
    limit: Annotated[WholeNumber, Field(ge=1, le=500)] = 100


class Position(NamedTuple):
    """What a client knows: every change up to `after`, and no task that was deleted before `base`.

    A first sync begins with nothing, so deletions up to its beginning are no news to it, for all its pages.
    """

    after: int
    base: int


async def list_changes(request: Request) -> Response:
    """What happened since the token's moment, each task once; without a token all tasks. 410 for a token that is too old."""
    owner = owner_of(request)
    query = query_of(request, ChangeQuery)
    cursors = cursors_of(request)
    since = cursors.open("changes", owner, query.since, Position, parameter="since") if query.since is not None else None
    rows = await queries_of(request).many(
        "changes/list",
        owner,
        after=since.after if since else 0,
        deleted_after=since.base if since else None,
        page_size=query.limit + 1,
    )
    newest, horizon = (rows[0]["newest"], rows[0]["horizon"]) if rows else (0, 0)
    base = since.base if since else newest
    # What was deleted and forgotten between the client's last page and now is missing from this one.
    if max(base, since.after if since else 0) < horizon:
        raise Expired
    changes = [row for row in rows if row["id"] is not None]
    more = len(changes) > query.limit
    items: list[Change] = [
        {
            "id": row["id"],
            "sequence": row["sequence"],
            "deleted": row["deleted"],
            "task": None if row["deleted"] else task_of(row),
        }
        for row in changes[: query.limit]
    ]
    position = Position(items[-1]["sequence"] if more else newest, base)
    page: ChangePage = {"items": items, "next": cursors.seal("changes", owner, position), "more": more}
    return reply(page)
