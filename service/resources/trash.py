"""The trash: deleted tasks, for 30 days."""

import sys
from typing import Annotated

import msgspec
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..auth.bearer import owner_of
from ..contract.operation import Answer, Example, Operation
from ..db import shapes
from ..db.calls import Calls
from ..web.cursors import token_field
from ..web.exchange import Exchange
from ..web.input import WHOLE, Query, query_of, uuid_of
from ..web.problem_types import (
    Conflict,
    NotFound,
    TooSlow,
)
from ..web.replies import Instant, instant, reply
from .paging import bounded
from .services import services_of
from .task import EXAMPLE, OF_TASK, OF_USER, Task
from .task_columns import Values, reply_of, task_of, values_of
from .transactions import Writer

STEP = 500
"""Tasks that one statement erases: few, as the owner's other writes wait for it."""


class Deleted(TypedDict):
    """A task in the trash."""

    deleted_at: Instant
    """When it was deleted; it is purged 30 days later."""
    task: Task
    """The task as it was deleted, and as it would be restored."""


class TrashPage(TypedDict):
    """One page of the trash, latest first."""

    items: list[Deleted]
    """The deleted tasks of this page."""
    total: Annotated[int, Field(ge=0)]
    """The number of tasks on all pages."""
    next: str | None
    """The cursor of the next page; null on the last one."""


class TrashQuery(Query):
    """The parameters of a page of the trash."""

    limit: Annotated[int, Field(ge=1, le=100), WHOLE] = 50
    """The most tasks on a page."""
    cursor: Annotated[str, token_field("trash-cursor")] | None = None
    """`next` of the previous page."""


class Before(msgspec.Struct, array_like=True, frozen=True):
    """A position in the trash: below the deletion with this sequence."""

    sequence: int


@Operation(
    tag="trash",
    auth=owner_of,
    path=OF_USER,
    query=TrashQuery,
    answers={200: Answer("A page of the trash.", TrashPage)},
    problems=(TooSlow,),
    examples=(
        Example(
            "The trash",
            200,
            {
                "items": [{"deleted_at": "2026-01-03T08:00:00.123456Z", "task": EXAMPLE}],
                "total": 1,
                "next": None,
            },
        ),
    ),
)
async def list_trash(request: Exchange) -> Response:
    """List the deleted tasks, latest first."""
    owner = owner_of(request)
    query = query_of(request, TrashQuery)
    services = services_of(request)
    cursors = services.cursors
    before = Before(sys.maxsize)
    if query.cursor is not None:
        before = cursors.open("trash", owner, query.cursor, Before, parameter="cursor")
    rows = await services.queries.many(
        "trash/list", owner, before=before.sequence, page_size=query.limit + 1
    )
    tasks = [row for row in rows if row["id"] is not None]
    values = values_of(tasks)
    items = [_deleted(task, values) for task in tasks[: query.limit]]

    def answer(count: int) -> Response:
        page: TrashPage = {
            "items": items[:count],
            "total": rows[0]["total"] if rows else 0,
            "next": None,
        }
        if len(tasks) > count > 0:
            page["next"] = cursors.seal("trash", owner, Before(tasks[count - 1]["sequence"]))
        return reply(page)

    return bounded(answer, items)


def _deleted(row: shapes.Trashed, values: Values) -> Deleted:
    return {"deleted_at": instant(row["deleted_at"]), "task": task_of(row, values)}


@Operation(
    tag="trash",
    auth=owner_of,
    path=OF_TASK,
    headers=("Idempotency-Key",),
    answers={
        200: Answer("The task, back in the lists.", Task, headers=("ETag", "Idempotency-Replayed"))
    },
    problems=(TooSlow, Conflict),
    examples=(Example("A task that is needed after all", 200, {**EXAMPLE, "version": 2}),),
)
async def restore_task(request: Exchange) -> Response:
    """Restore a deleted task, as it was, with its id and a new version."""
    writer = Writer(request)
    task_id = uuid_of(request, "task_id")

    async def restore(calls: Calls) -> Response:
        restored = await calls.count("trash/restore", id=task_id)
        row = await calls.maybe("tasks/get", id=task_id) if restored else None
        if row is None:
            raise NotFound
        return reply_of(row)

    return await writer.write(None, together=restore)


@Operation(
    tag="trash",
    auth=owner_of,
    path=OF_TASK,
    headers=("Idempotency-Key",),
    answers={204: Answer("The task is gone for good.", headers=("Idempotency-Replayed",))},
    problems=(TooSlow, Conflict),
    examples=(Example("A task that nobody is to read again", 204),),
)
async def erase_task(request: Exchange) -> Response:
    """Erase a deleted task for good."""
    writer = Writer(request)
    task_id = uuid_of(request, "task_id")

    async def erased(calls: Calls) -> Response:
        if not await calls.count("trash/erase", ids=[task_id]):
            raise NotFound
        return Response(status_code=204)

    return await writer.write(None, alone=erased)


@Operation(
    tag="trash",
    auth=owner_of,
    path=OF_USER,
    headers=("Idempotency-Key",),
    answers={204: Answer("The trash is empty.", headers=("Idempotency-Replayed",))},
    problems=(TooSlow, Conflict),
    examples=(Example("Empty", 204),),
)
async def empty_trash(request: Exchange) -> Response:
    """Erase all deleted tasks for good.

    If the request times out, the tasks erased so far stay erased, unless it had an
    `Idempotency-Key`. Send it again.
    """
    writer = Writer(request)

    async def emptied(calls: Calls) -> Response:
        rows = await calls.many("trash/list", before=sys.maxsize, page_size=STEP)
        while ids := [row["id"] for row in rows if row["id"] is not None]:
            await calls.count("trash/erase", ids=ids)
            rows = await calls.many("trash/list", before=sys.maxsize, page_size=STEP)
        return Response(status_code=204)

    return await writer.write(None, alone=emptied)
