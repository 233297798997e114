"""Tasks of one owner: list, create, read, change, delete."""

from datetime import datetime
from typing import Annotated, TypedDict
from uuid import UUID

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from ..auth.bearer import owner_of
from ..db.queries import Row
from ..web.input import JSON, MERGE_PATCH, NO_NUL, NOT_BLANK, Body, Query, Truth, WholeNumber, body_of, query_of, uuid_of
from ..web.problems import NotFound
from ..web.replies import instant, reply
from . import queries_of

MAX_OFFSET = 100_000
"""An offset is paid for row by row; this far down a page still takes some 30 ms."""

Title = Annotated[str, Field(min_length=1, max_length=255), NO_NUL, NOT_BLANK]
Description = Annotated[str, Field(max_length=2000), NO_NUL]


class Task(TypedDict):
    """A task as clients see it."""

    id: UUID
    owner_id: str
    title: str
    description: str | None
    completed: bool
    created_at: datetime | str
    updated_at: datetime | str


ANSWERS: dict[str, type] = dict.fromkeys(("tasks/create", "tasks/get", "tasks/list", "tasks/patch"), Task)
"""The statements whose rows become a Task: `python -m service check` holds their columns against it."""


class TaskPage(TypedDict):
    """One page of tasks; `total` counts those on all pages."""

    items: list[Task]
    total: int
    limit: int
    offset: int


class NewTask(Body):
    """The body of a create."""

    title: Title
    description: Description | None = None
    completed: bool = False


class TaskPatch(Body):
    """The body of a change: a merge patch (RFC 7396). The defaults are never used: what is not sent stays as it is."""

    title: Title = ""
    description: Description | None = None
    completed: bool = False


class TaskQuery(Query):
    """What a list can be asked for."""

    completed: Truth | None = None
    limit: Annotated[WholeNumber, Field(ge=1, le=100)] = 50
    offset: Annotated[WholeNumber, Field(ge=0, le=MAX_OFFSET)] = 0


async def list_tasks(request: Request) -> Response:
    """One page of the caller's tasks, newest first."""
    owner = owner_of(request)
    query = query_of(request, TaskQuery)
    rows = await queries_of(request).many(
        "tasks/list", owner, completed=query.completed, page_size=query.limit, skip=query.offset
    )
    items = [_task(row) for row in rows if row["id"] is not None]
    page: TaskPage = {"items": items, "total": rows[0]["total"], "limit": query.limit, "offset": query.offset}
    return reply(page)


async def create_task(request: Request) -> Response:
    """A new task of the caller's."""
    owner = owner_of(request)
    new = await body_of(request, NewTask, JSON)
    row = await queries_of(request).one(
        "tasks/create", owner, id=uuid7(), title=new.title, description=new.description, completed=new.completed
    )
    return reply(_task(row), 201, {"Location": f"{request.url.path}/{row['id']}"})


async def get_task(request: Request) -> Response:
    """One task of the caller's, or 404."""
    owner = owner_of(request)
    row = await queries_of(request).maybe("tasks/get", owner, id=uuid_of(request, "task_id"))
    if row is None:
        raise NotFound
    return reply(_task(row))


async def patch_task(request: Request) -> Response:
    """The whole task after the change, or 404. An empty patch is a read: it changes nothing."""
    owner = owner_of(request)
    task_id = uuid_of(request, "task_id")
    patch = await body_of(request, TaskPatch, MERGE_PATCH, JSON)
    if patch.model_fields_set:
        text = patch.model_dump_json(exclude_unset=True)
        row = await queries_of(request).maybe("tasks/patch", owner, id=task_id, patch=text)
    else:
        row = await queries_of(request).maybe("tasks/get", owner, id=task_id)
    if row is None:
        raise NotFound
    return reply(_task(row))


async def delete_task(request: Request) -> Response:
    """Nothing, and the task is gone for good; or 404."""
    owner = owner_of(request)
    if not await queries_of(request).count("tasks/delete", owner, id=uuid_of(request, "task_id")):
        raise NotFound
    return Response(status_code=204)


def _task(row: Row) -> Task:
    return {
        "id": row["id"],
        "owner_id": row["owner_id"],
        "title": row["title"],
        "description": row["description"],
        "completed": row["completed"],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
    }
