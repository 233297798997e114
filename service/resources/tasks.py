"""Tasks of one owner: list, create, read, change, delete."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, with_config
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12
from uuid_utils.compat import uuid7

from ..auth.bearer import owner_of
from ..db.queries import Row
from ..web.contract import Answer, Example, Operation
from ..web.cursors import MAX_TOKEN_CHARACTERS
from ..web.input import JSON, MERGE_PATCH, NO_NUL, NOT_BLANK, WHOLE, Body, Query, Truth, body_of, query_of, uuid_of
from ..web.problems import Invalid, NotFound, Refused, TooSlow
from ..web.replies import Instant, instant, path_of, reply
from . import queries_of
from .paging import Paging, Place

MAX_OFFSET = 100_000
"""An offset is paid for row by row; this far down a page still takes some 30 ms."""

UserId = Annotated[
    str, Field(min_length=1, max_length=255, examples=["alice"], description="Whose tasks: the subject (`sub`) of the token.")
]
TaskId = Annotated[
    UUID,
    Field(
        examples=["0198c2f4-6a00-7d3e-9b51-2f8f3b6f7d10"],
        description="Which task. Hyphens may be left out; letters may be of either case.",
    ),
]
Title = Annotated[str, Field(min_length=1, max_length=255), NOT_BLANK]
Description = Annotated[str, Field(max_length=2000), NO_NUL]


@with_config(ConfigDict(use_attribute_docstrings=True))
class Task(TypedDict):
    """A task. Later versions may add members."""

    id: UUID
    """Made by the service; UUIDs of version 7, which sort by time."""
    owner_id: UserId
    """Whose it is."""
    title: Title
    """What to do."""
    description: Description | None
    """More about it; null where there is none."""
    completed: bool
    """Whether it is done."""
    created_at: Instant
    """When it was created; never changes."""
    updated_at: Instant
    """When it last changed."""


ANSWERS: dict[str, type] = dict.fromkeys(("tasks/create", "tasks/get", "tasks/list", "tasks/list_after", "tasks/patch"), Task)
"""The statements whose rows become a Task: `python -m service check` holds their columns against it."""


@with_config(ConfigDict(use_attribute_docstrings=True))
class TaskPage(TypedDict):
    """One page of tasks, newest first."""

    items: list[Task]
    """The tasks of this page."""
    total: Annotated[int, Field(ge=0)]
    """How many tasks there are on all pages."""
    limit: Annotated[int, Field(ge=1, le=100)]
    """How many tasks a page may have."""
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] | None
    """How many tasks were skipped; null on a page that was reached by a cursor."""
    next: str | None
    """The cursor of the next page; null on the last one."""


class NewTask(Body):
    """A task to create."""

    title: Title
    """What to do: 1 to 255 characters (code points), not only white space."""
    description: Description | None = None
    """More about it: up to 2,000 characters (code points), or null."""
    completed: bool = False
    """Whether it is done."""


def _without_defaults(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)


class TaskPatch(Body):
    """A merge patch (RFC 7396): members that are sent change, the others stay. `{}` changes nothing."""

    # The defaults are never used: what is not sent stays as it is. So the contract does not show them.
    model_config = ConfigDict(json_schema_extra=_without_defaults)
    media_types = (MERGE_PATCH, JSON)

    title: Title = ""
    """What to do: 1 to 255 characters (code points), not only white space."""
    description: Description | None = None
    """More about it: up to 2,000 characters (code points); null clears it."""
    completed: bool = False
    """Whether it is done."""


class TaskQuery(Query):
    """What a list can be asked for."""

    completed: Truth | None = None
    """Only tasks that are done, or only those that are not."""
    limit: Annotated[int, Field(ge=1, le=100), WHOLE] = 50
    """How many tasks a page may have."""
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET), WHOLE] = 0
    """How many tasks to skip. For long lists use `cursor`, which is as fast on every page and misses nothing."""
    cursor: (
        Annotated[str, Field(min_length=1, max_length=MAX_TOKEN_CHARACTERS, json_schema_extra={"format": "cursor"})] | None
    ) = None
    """Where to go on: `next` of the page before, with the same `completed` and no `offset`."""


EXAMPLE: dict[str, Any] = {
    "id": "0198c2f4-6a00-7d3e-9b51-2f8f3b6f7d10",
    "owner_id": "alice",
    "title": "Buy milk",
    "description": "Two litres",
    "completed": False,
    "created_at": "2026-01-02T03:04:05.678901Z",
    "updated_at": "2026-01-02T03:04:05.678901Z",
}
_USER = {"user_id": UserId}
_TASK = {"user_id": UserId, "task_id": TaskId}
_ONE = {"user_id": "$request.path.user_id", "task_id": "$response.body#/id"}


@Operation(
    tag="tasks",
    auth=owner_of,
    path=_USER,
    query=TaskQuery,
    answers={200: Answer("A page of tasks.", TaskPage, headers=("Link",))},
    problems=(TooSlow,),
    examples=(
        Example(
            "The newest tasks that are not done",
            200,
            {"items": [EXAMPLE], "total": 1, "limit": 10, "offset": 0, "next": None},
            query={"completed": "false", "limit": "10"},
        ),
    ),
)
async def list_tasks(request: Request) -> Response:
    """List the caller's tasks, newest first.

    Page by `cursor`: take `next` of the answer, or its `Link` header, until it is null. What others create or delete
    meanwhile neither repeats a task nor hides one. `offset` is there for lists that are short.
    """
    owner = owner_of(request)
    query = query_of(request, TaskQuery)
    paging = Paging(request, owner, completed=query.completed)
    # One more than asked for tells whether there is a next page.
    wanted: dict[str, object] = {"completed": query.completed, "page_size": query.limit + 1}
    if query.cursor is None:
        rows = await queries_of(request).many("tasks/list", owner, **wanted, skip=query.offset)
    elif query.offset:  # generated clients send defaults too, so that 0 must pass
        raise Invalid([{"parameter": "offset", "detail": "Must not be given together with `cursor`", "code": "conflict"}])
    else:
        place = paging.place(query.cursor)
        rows = await queries_of(request).many("tasks/list_after", owner, **wanted, created_at=place.created_at, id=place.id)
    page: TaskPage = {
        "items": [_task(row) for row in rows[: query.limit] if row["id"] is not None],
        "total": rows[0]["total"],
        "limit": query.limit,
        "offset": query.offset if query.cursor is None else None,
        "next": paging.cursor(Place.below(rows[query.limit - 1])) if len(rows) > query.limit else None,
    }
    return reply(page, headers={"Link": paging.links(query.limit, page["next"])})


@Operation(
    tag="tasks",
    auth=owner_of,
    path=_USER,
    body=NewTask,
    answers={
        201: Answer(
            "The new task.",
            Task,
            headers=("Location",),
            links={"get_task": _ONE, "patch_task": _ONE, "delete_task": _ONE},
        )
    },
    problems=(TooSlow, Refused),
    examples=(Example("A new task", 201, EXAMPLE, body={"title": "Buy milk", "description": "Two litres"}),),
)
async def create_task(request: Request) -> Response:
    """Create a task."""
    owner = owner_of(request)
    new = await body_of(request, NewTask)
    row = await queries_of(request).one(
        "tasks/create", owner, id=uuid7(), title=new.title, description=new.description, completed=new.completed
    )
    return reply(_task(row), 201, {"Location": f"{path_of(request)}/{row['id']}"})


@Operation(
    tag="tasks",
    auth=owner_of,
    path=_TASK,
    answers={200: Answer("The task.", Task)},
    problems=(TooSlow,),
    examples=(Example("A task", 200, EXAMPLE),),
)
async def get_task(request: Request) -> Response:
    """Read a task."""
    owner = owner_of(request)
    row = await queries_of(request).maybe("tasks/get", owner, id=uuid_of(request, "task_id"))
    if row is None:
        raise NotFound
    return reply(_task(row))


@Operation(
    tag="tasks",
    auth=owner_of,
    path=_TASK,
    body=TaskPatch,
    answers={200: Answer("The whole task after the change.", Task)},
    problems=(TooSlow, Refused),
    examples=(
        Example("Tick it off", 200, {**EXAMPLE, "completed": True}, body={"completed": True}),
        Example("Clear the description", 200, {**EXAMPLE, "description": None}, body={"description": None}),
    ),
)
async def patch_task(request: Request) -> Response:
    """Change a task.

    The body is a JSON merge patch (RFC 7396), sent as such or as plain JSON. An empty one is a read.
    """
    owner = owner_of(request)
    task_id = uuid_of(request, "task_id")
    patch = await body_of(request, TaskPatch)
    if patch.model_fields_set:
        text = patch.model_dump_json(exclude_unset=True)
        row = await queries_of(request).maybe("tasks/patch", owner, id=task_id, patch=text)
    else:
        row = await queries_of(request).maybe("tasks/get", owner, id=task_id)
    if row is None:
        raise NotFound
    return reply(_task(row))


@Operation(
    tag="tasks",
    auth=owner_of,
    path=_TASK,
    answers={204: Answer("The task is gone, for good.")},
    problems=(TooSlow,),
    examples=(Example("A task that is not needed any more", 204),),
)
async def delete_task(request: Request) -> Response:
    """Delete a task, for good."""
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
