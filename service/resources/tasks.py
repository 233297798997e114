"""One task of an owner's: create, read, put, change, delete."""

from collections.abc import Mapping
from functools import partial
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from uuid_utils import uuid7

from ..auth.bearer import owner_of
from ..contract.operation import Answer, Example, Operation
from ..db.queries import Row
from ..db.types import FastUUID
from ..owner import OwnerId
from ..web.conditions import Conditions, conditions_of, etag, validators
from ..web.idempotency import answer_of, fingerprint_of, key_of
from ..web.input import body_of, uuid_of
from ..web.problem_types import (
    Conflict,
    InProgress,
    KeyReused,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
    Refused,
    TooSlow,
)
from ..web.replies import path_of, reply
from . import queries_of
from .quotas import QuotaExceeded, quotas_of
from .task import CONDITIONS, EXAMPLE, OF_TASK, OF_USER, SAME, NewTask, Task, TaskPatch, task_of

PUT_TRIES = 5
"""How often a put that waited for other writes of the owner looks again at what they left."""

ANSWERS: dict[str, type] = dict.fromkeys(
    ("tasks/create", "tasks/get", "tasks/list", "tasks/list_after"), Task
)
"""The statements whose rows become a Task: `python -m service check` holds their columns against
it.
"""

_ONE = {"user_id": "$request.path.user_id", "task_id": "$response.body#/id"}
_NEXT = {"get_task": _ONE, "put_task": _ONE, "patch_task": _ONE, "delete_task": _ONE}


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
    problems=(TooSlow, InProgress, QuotaExceeded, KeyReused, OutcomeUnknown, Refused),
    examples=(
        Example(
            "A new task", 201, EXAMPLE, body={"title": "Buy milk", "description": "Two litres"}
        ),
    ),
)
async def create_task(request: Request) -> Response:
    """Create a task.

    With an `Idempotency-Key` it may be sent again when no answer came: each repeat gets the first
    answer.
    """
    owner = owner_of(request)
    key = key_of(request)
    new = await body_of(request, NewTask)
    quotas = quotas_of(request)
    values = {"id": FastUUID(str(uuid7())), **vars(new), **quotas.parameters}
    if key is not None:
        fingerprint = fingerprint_of(request, new)
        create_once = partial(
            queries_of(request).maybe,
            "tasks/create_once",
            owner,
            key=key,
            fingerprint=fingerprint,
            **values,
        )
        kept = await create_once()
        if kept is not None and kept["again"]:  # once for an owner
            kept = await create_once()
        return answer_of(request, fingerprint, kept, quotas.check)
    row = await queries_of(request).maybe("tasks/create", owner, **values)
    if row is None:
        used = await queries_of(request).maybe("owners/usage", owner)
        raise quotas.exceeded(*used or (0, 0))
    return _reply(row, 201, {"Location": f"{path_of(request)}/{row['id']}"})


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_TASK,
    headers=CONDITIONS,
    answers={200: Answer("The task.", Task, headers=("ETag",)), 304: SAME},
    problems=(TooSlow, PreconditionFailed),
    examples=(Example("A task", 200, EXAMPLE),),
)
async def get_task(request: Request) -> Response:
    """Read a task."""
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


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_TASK,
    headers=CONDITIONS,
    body=NewTask,
    answers={
        200: Answer("The whole task, in the place of what was there.", Task, headers=("ETag",)),
        201: Answer("The new task.", Task, headers=("ETag", "Location"), links=_NEXT),
    },
    problems=(TooSlow, PreconditionFailed, Conflict, QuotaExceeded, OutcomeUnknown, Refused),
    examples=(
        Example(
            "In the place of another",
            200,
            {**EXAMPLE, "description": None},
            body={"title": "Buy milk"},
        ),
    ),
)
async def put_task(request: Request) -> Response:
    """Put a whole task at an id of the client's choice.

    Creates it, or replaces all of it; sent again it does no harm. `If-None-Match: *` creates and
    never replaces.
    """
    owner = owner_of(request)
    task_id = uuid_of(request, "task_id")
    conditions = conditions_of(request)
    new = await body_of(request, NewTask)
    quotas = quotas_of(request)
    for _ in range(PUT_TRIES):
        row = await queries_of(request).one(
            "tasks/put",
            owner,
            id=task_id,
            may_create=conditions.may_create,
            **conditions.parameters,
            **vars(new),
            **quotas.parameters,
        )
        if not row["again"]:
            break
    else:
        raise Conflict
    quotas.check(row)
    if row["id"] is None:
        raise PreconditionFailed(_current(row))
    return (
        _reply(row, 201, {"Location": f"{path_of(request).rpartition('/')[0]}/{task_id}"})
        if row["created"]
        else _reply(row)
    )


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
    problems=(
        TooSlow,
        InProgress,
        PreconditionFailed,
        QuotaExceeded,
        KeyReused,
        OutcomeUnknown,
        Refused,
    ),
    examples=(
        Example("Tick it off", 200, {**EXAMPLE, "completed": True}, body={"completed": True}),
        Example(
            "Clear the description",
            200,
            {**EXAMPLE, "description": None},
            body={"description": None},
        ),
    ),
)
async def patch_task(request: Request) -> Response:
    """Change a task.

    The body is a JSON merge patch (RFC 7396), sent as such or as plain JSON. An empty one is a
    read. `If-Match` with the `ETag` that was read keeps others' changes from being overwritten.
    """
    owner = owner_of(request)
    task_id = uuid_of(request, "task_id")
    key, conditions = key_of(request), conditions_of(request)
    patch = await body_of(request, TaskPatch)
    quotas = quotas_of(request)
    change = {
        "patch": patch.model_dump_json(exclude_unset=True),
        **conditions.parameters,
        "max_bytes": quotas.bytes,
    }
    if key is None and not patch.model_fields_set:
        return await _read_under(conditions, request, owner, task_id)
    if key is not None:
        fingerprint = fingerprint_of(request, patch)
        kept = await queries_of(request).maybe(
            "tasks/patch_once", owner, key=key, fingerprint=fingerprint, id=task_id, **change
        )
        return answer_of(request, fingerprint, kept, quotas.check)
    row = await queries_of(request).maybe("tasks/patch", owner, id=task_id, **change)
    if row is None:
        raise NotFound
    quotas.check(row)
    if row["id"] is None:
        raise PreconditionFailed(_current(row))
    return _reply(row)


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_TASK,
    headers=CONDITIONS,
    answers={204: Answer("The task is gone, for good.")},
    problems=(TooSlow, OutcomeUnknown, PreconditionFailed),
    examples=(Example("A task that is not needed any more", 204),),
)
async def delete_task(request: Request) -> Response:
    """Delete a task, for good."""
    owner = owner_of(request)
    task_id = uuid_of(request, "task_id")
    conditions = conditions_of(request)
    row = await queries_of(request).maybe(
        "tasks/delete", owner, id=task_id, **conditions.parameters
    )
    if row is None:
        raise NotFound
    if not row["deleted"]:
        raise PreconditionFailed(_current(row))
    return Response(status_code=204)


async def _read_under(
    conditions: Conditions, request: Request, owner: OwnerId, task_id: UUID
) -> Response:
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
