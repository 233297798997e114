"""Create, read, put, change and delete one task."""

from starlette.responses import Response
from uuid_utils import uuid7

from ..auth.bearer import owner_of
from ..contract.operation import Answer, Example, Operation
from ..db.calls import Calls
from ..db.types import FastUUID
from ..web.conditions import conditions_of, etag, validators
from ..web.exchange import Exchange
from ..web.input import body_of, uuid_of
from ..web.problem_types import (
    Conflict,
    NotFound,
    Refused,
    TooSlow,
)
from ..web.replies import path_of
from .quotas import QuotaExceeded
from .services import services_of
from .task import (
    CONDITIONS,
    EXAMPLE,
    OF_TASK,
    OF_USER,
    SAME,
    NewTask,
    Task,
    TaskPatch,
    WholeTask,
)
from .task_columns import TaskRow, reply_of
from .transactions import Writer
from .writes import Target, create, create_at, delete, patch, replace

ANSWERS: dict[str, type] = dict.fromkeys(
    ("tasks/create", "tasks/get", "tasks/list", "tasks/filter", "trash/list"), TaskRow
)
"""The statements whose rows become a Task: `python -m service check` compares their columns."""

_ONE = {"user_id": "$request.path.user_id", "task_id": "$response.body#/id"}
_SAME = {"user_id": "$request.path.user_id", "task_id": "$request.path.task_id"}
_NEXT = {
    "get_task": _ONE,
    "put_task": _ONE,
    "patch_task": _ONE,
    "delete_task": _ONE,
    "complete_task": _ONE,
}


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_USER,
    headers=("Idempotency-Key",),
    body=NewTask,
    answers={
        201: Answer(
            "The new task.", Task, headers=("ETag", "Idempotency-Replayed", "Location"), links=_NEXT
        )
    },
    problems=(TooSlow, QuotaExceeded, Refused),
    examples=(
        Example(
            "A new task",
            201,
            EXAMPLE,
            body={name: EXAMPLE[name] for name in ("title", "description", "tags", "due_date")},
        ),
    ),
)
async def create_task(request: Exchange) -> Response:
    """Create a task.

    With an `Idempotency-Key` you can safely repeat the request: each repeat gets the first
    response.
    """
    writer = Writer(request)
    new = await body_of(request, NewTask)
    new.check_schedule()
    quotas = writer.services.quotas
    task_id = FastUUID(str(uuid7()))

    async def created(calls: Calls) -> Response:
        row = await create(calls, quotas, task_id, new)
        return reply_of(row, 201, {"Location": f"{path_of(request)}/{task_id}"})

    return await writer.write(new, together=created)


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_TASK,
    headers=CONDITIONS,
    answers={200: Answer("The task.", Task, headers=("ETag",)), 304: SAME},
    problems=(TooSlow,),
    examples=(Example("A task", 200, EXAMPLE),),
)
async def get_task(request: Exchange) -> Response:
    """Read a task."""
    owner = owner_of(request)
    task_id = uuid_of(request, "task_id")
    conditions = conditions_of(request)
    row = await services_of(request).queries.maybe("tasks/get", owner, id=task_id)
    if row is None:
        raise NotFound
    tag = etag(row["version"])
    if not conditions.allow_reading(tag):
        return Response(status_code=304, headers=validators(tag))
    return reply_of(row)


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_TASK,
    headers=(*CONDITIONS, "Idempotency-Key"),
    body=WholeTask,
    answers={
        200: Answer(
            "The whole task, in the place of what was there.",
            Task,
            headers=("ETag", "Idempotency-Replayed"),
        ),
        201: Answer(
            "The new task.", Task, headers=("ETag", "Idempotency-Replayed", "Location"), links=_NEXT
        ),
    },
    problems=(TooSlow, Conflict, QuotaExceeded, Refused),
    examples=(
        Example(
            "In the place of another",
            200,
            {**EXAMPLE, "description": None, "tags": [], "due_date": None},
            body={"title": "Buy milk"},
        ),
    ),
)
async def put_task(request: Exchange) -> Response:
    """Create or replace a task at an id of the client's choice.

    Repeating it is safe. `If-None-Match: *` creates and never replaces.
    """
    writer = Writer(request)
    task_id = uuid_of(request, "task_id")
    conditions = conditions_of(request)
    new = await body_of(request, WholeTask)
    new.check(writer.owner, task_id)
    new.check_schedule()
    target = Target(task_id, new.narrow(conditions))
    quotas = writer.services.quotas

    async def replaced(calls: Calls) -> Response | None:
        row = await replace(calls, quotas, target, new)
        return None if row is None else reply_of(row)

    async def created(calls: Calls) -> Response:
        row = await create_at(calls, quotas, target, new)
        location = f"{path_of(request).rpartition('/')[0]}/{task_id}"
        return reply_of(row, 201, {"Location": location})

    return await writer.write(new, alone=replaced, together=created)


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_TASK,
    headers=(*CONDITIONS, "Idempotency-Key"),
    body=TaskPatch,
    answers={
        200: Answer(
            "The whole task after the change.", Task, headers=("ETag", "Idempotency-Replayed")
        )
    },
    problems=(TooSlow, Conflict, QuotaExceeded, Refused),
    examples=(
        Example(
            "Tick it off",
            200,
            {**EXAMPLE, "completed": True, "completed_at": EXAMPLE["updated_at"]},
            body={"completed": True},
        ),
        Example(
            "Clear the description",
            200,
            {**EXAMPLE, "description": None},
            body={"description": None},
        ),
    ),
)
async def patch_task(request: Exchange) -> Response:
    """Change a task.

    The body is a JSON merge patch (RFC 7396), sent as such or as plain JSON. An empty one changes
    nothing. `If-Match` with the `ETag` that you read prevents lost updates.
    """
    writer = Writer(request)
    task_id = uuid_of(request, "task_id")
    conditions = conditions_of(request)
    changes = await body_of(request, TaskPatch)
    changes.check(writer.owner, task_id)
    target = Target(task_id, changes.narrow(conditions))
    quotas = writer.services.quotas

    async def patched(calls: Calls) -> Response:
        return reply_of(await patch(calls, quotas, target, changes))

    return await writer.write(changes, alone=patched)


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_TASK,
    headers=(*CONDITIONS, "Idempotency-Key"),
    answers={
        204: Answer(
            "The task is in the trash.",
            headers=("Idempotency-Replayed",),
            links={"restore_task": _SAME, "erase_task": _SAME},
        )
    },
    problems=(TooSlow,),
    examples=(Example("A task that is not needed any more", 204),),
)
async def delete_task(request: Exchange) -> Response:
    """Delete a task.

    It leaves all lists at once, and stays in the trash for 30 days.
    """
    writer = Writer(request)
    target = Target(uuid_of(request, "task_id"), conditions_of(request))

    async def deleted(calls: Calls) -> Response:
        await delete(calls, target)
        return Response(status_code=204)

    return await writer.write(None, alone=deleted)
