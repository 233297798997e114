"""Tasks of one owner: list, create, read, put, change, delete."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypedDict
from uuid import UUID

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from ..auth.bearer import owner_of
from ..auth.owner import OwnerId
from ..db.queries import Row
from ..web.conditions import Conditions, conditions_of, etag, validators
from ..web.idempotency import answer_of, fingerprint_of, key_of
from ..web.input import JSON, MERGE_PATCH, NO_NUL, NOT_BLANK, Body, Query, Truth, WholeNumber, body_of, query_of, uuid_of
from ..web.problems import Conflict, NotFound, PreconditionFailed
from ..web.replies import instant, reply
from . import queries_of

MAX_OFFSET = 100_000
"""An offset is paid for row by row; this far down a page still takes some 30 ms."""

PUT_TRIES = 5
"""How often a put that waited for other writes of the owner looks again at what they left."""

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
    version: int


ANSWERS: dict[str, type] = dict.fromkeys(("tasks/create", "tasks/get", "tasks/list"), Task)
"""The statements whose rows become a Task: `python -m service check` holds their columns against it."""


class TaskPage(TypedDict):
    """One page of tasks; `total` counts those on all pages."""

    items: list[Task]
    total: int
    limit: int
    offset: int


class NewTask(Body):
    """The body of a create and of a put."""

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
    """One page of the caller's tasks, newest first; 304 when nothing has changed since the client's copy of it."""
    owner = owner_of(request)
    query = query_of(request, TaskQuery)
    conditions = conditions_of(request)
    if conditions.none_match is not None:
        row = await queries_of(request).maybe("owners/get", owner)
        tag = _list_tag(row["sequence"] if row else 0, query)
        if not conditions.allow_reading(tag):
            return Response(status_code=304, headers=validators(tag))
    rows = await queries_of(request).many(
        "tasks/list", owner, completed=query.completed, page_size=query.limit, skip=query.offset
    )
    sequence, total = (rows[0]["sequence"], rows[0]["total"]) if rows else (0, 0)
    items = [task_of(row) for row in rows if row["id"] is not None]
    page: TaskPage = {"items": items, "total": total, "limit": query.limit, "offset": query.offset}
    return reply(page, headers=validators(_list_tag(sequence, query)))


async def create_task(request: Request) -> Response:
    """A new task of the caller's; with a key that was used before, the answer of then."""
    owner = owner_of(request)
    key = key_of(request)
    new = await body_of(request, NewTask, JSON)
    values = {"id": uuid7(), **new.model_dump()}
    if key is not None:
        fingerprint = fingerprint_of(request, new)
        kept = await queries_of(request).maybe("tasks/create_once", owner, key=key, fingerprint=fingerprint, **values)
        return answer_of(request, fingerprint, kept)
    row = await queries_of(request).one("tasks/create", owner, **values)
    return _reply(row, 201, {"Location": f"{request.url.path}/{row['id']}"})


async def get_task(request: Request) -> Response:
    """One task of the caller's, or 404; 304 when the client's copy is the current one."""
    owner = owner_of(request)
    task_id = uuid_of(request, "task_id")
    conditions = conditions_of(request)
    row = await queries_of(request).maybe("tasks/get", owner, id=task_id)
    if row is None:
        raise NotFound
    tag = etag(row["version"])
    if not conditions.allow_reading(tag):
        return Response(status_code=304, headers=validators(tag))
    return _reply(row)


async def put_task(request: Request) -> Response:
    """The task as sent, at the id that the client has chosen: 201 when it is new, 200 when it was there before."""
    owner = owner_of(request)
    task_id = uuid_of(request, "task_id")
    conditions = conditions_of(request)
    new = await body_of(request, NewTask, JSON)
    for _ in range(PUT_TRIES):
        row = await queries_of(request).one(
            "tasks/put",
            owner,
            id=task_id,
            may_create=conditions.may_create,
            **conditions.parameters,
            **new.model_dump(),
        )
        if not row["again"]:
            break
    else:
        raise Conflict
    if row["id"] is None:
        raise PreconditionFailed(_current(row))
    return _reply(row, 201, {"Location": request.url.path}) if row["created"] else _reply(row)


async def patch_task(request: Request) -> Response:
    """The whole task after the change, or 404. An empty patch is a read: it changes nothing."""
    owner = owner_of(request)
    task_id = uuid_of(request, "task_id")
    key, conditions = key_of(request), conditions_of(request)
    patch = await body_of(request, TaskPatch, MERGE_PATCH, JSON)
    values = {"id": task_id, "patch": patch.model_dump_json(exclude_unset=True), **conditions.parameters}
    if key is None and not patch.model_fields_set:
        return await _read_under(conditions, request, owner, task_id)
    if key is not None:
        fingerprint = fingerprint_of(request, patch)
        kept = await queries_of(request).maybe("tasks/patch_once", owner, key=key, fingerprint=fingerprint, **values)
        return answer_of(request, fingerprint, kept)
    row = await queries_of(request).maybe("tasks/patch", owner, **values)
    if row is None:
        raise NotFound
    if row["id"] is None:
        raise PreconditionFailed(_current(row))
    return _reply(row)


async def delete_task(request: Request) -> Response:
    """Nothing, and the task is gone for good; or 404."""
    owner = owner_of(request)
    task_id = uuid_of(request, "task_id")
    conditions = conditions_of(request)
    row = await queries_of(request).maybe("tasks/delete", owner, id=task_id, **conditions.parameters)
    if row is None:
        raise NotFound
    if not row["deleted"]:
        raise PreconditionFailed(_current(row))
    return Response(status_code=204)


async def _read_under(conditions: Conditions, request: Request, owner: OwnerId, task_id: UUID) -> Response:
    row = await queries_of(request).maybe("tasks/get", owner, id=task_id)
    if row is None:
        raise NotFound
    if not conditions.fit(row["version"]):
        raise PreconditionFailed(etag(row["version"]))
    return _reply(row)


def _reply(row: Row, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return reply(task_of(row), status, {**validators(etag(row["version"])), **(headers or {})})


def _current(row: Row) -> str | None:
    return None if row["current_version"] is None else etag(row["current_version"])


def _list_tag(sequence: int, query: TaskQuery) -> str:
    """Of the owner's sequence and the query: whatever else a list shows has not changed since that number."""
    return f'"{sequence}.{query.completed}.{query.limit}.{query.offset}"'


def task_of(row: Row) -> Task:
    """A row with a task's columns as clients see it."""
    return {
        "id": row["id"],
        "owner_id": row["owner_id"],
        "title": row["title"],
        "description": row["description"],
        "completed": row["completed"],
        "created_at": instant(row["created_at"]),
        "updated_at": instant(row["updated_at"]),
        "version": row["version"],
    }
