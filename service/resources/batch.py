"""Many operations in one request: all of them, or none."""

from collections.abc import Sequence
from itertools import groupby
from typing import assert_never
from uuid import UUID

from starlette.responses import Response
from uuid_utils import uuid7

from ..auth.bearer import owner_of
from ..contract.operation import Answer, Example, Operation
from ..db import shapes
from ..db.calls import Calls
from ..db.types import FastUUID
from ..web.exchange import Exchange
from ..web.input import content_of, parsed
from ..web.problem import Problem
from ..web.problem_types import (
    Conflict,
    Invalid,
    PreconditionFailed,
    Refused,
    TooSlow,
)
from ..web.replies import reply
from .complete import AlreadyCompleted, complete
from .operations import (
    Batch,
    BatchOperation,
    BatchResults,
    CompleteOperation,
    CreateOperation,
    DeleteOperation,
    OperationResult,
    PatchOperation,
    PutOperation,
    pointer_to,
)
from .quotas import QuotaExceeded, Quotas
from .task import EXAMPLE, OF_USER
from .task_columns import task_of
from .transactions import Writer
from .writes import create, create_all, create_at, delete, patch, replace


async def carry_out(
    calls: Calls, quotas: Quotas, operations: Sequence[BatchOperation]
) -> list[OperationResult]:
    """Carry out the operations in order, and return their results.

    Only in a transaction. Raises the problem of the first one that fails, with a pointer to it.
    """
    results: list[OperationResult] = []
    for kind, group in groupby(operations, type):
        neighbours = [*group]
        if kind is CreateOperation and len(neighbours) > 1:
            created = await _create_all(calls, quotas, neighbours)
            results += created
            # They exceed the quota together: find the first one that does.
            neighbours = neighbours[len(created) :]
        for operation in neighbours:
            pointer = pointer_to(len(results))
            try:
                results.append(await _carry_out(calls, quotas, operation, pointer))
            except Problem as problem:
                _point(problem, pointer)
                raise
    return results


async def _create_all(
    calls: Calls, quotas: Quotas, operations: Sequence[BatchOperation]
) -> list[OperationResult]:
    """Create tasks; none if they exceed the quota together."""
    new = [(_id(), each.task) for each in operations if isinstance(each, CreateOperation)]
    return [_result(201, row) for row in await create_all(calls, quotas, new) or ()]


async def _carry_out(
    calls: Calls, quotas: Quotas, operation: BatchOperation, pointer: str
) -> OperationResult:
    if isinstance(operation, CreateOperation):
        return _result(201, await create(calls, quotas, _id(), operation.task))
    target = operation.target(pointer)
    match operation:
        case PutOperation():
            row = await replace(calls, quotas, target, operation.task)
            if row is not None:
                return _result(200, row)
            return _result(201, await create_at(calls, quotas, target, operation.task))
        case PatchOperation():
            return _result(200, await patch(calls, quotas, target, operation.patch))
        case DeleteOperation():
            await delete(calls, target)
            return {"status": 204}
        case CompleteOperation():
            row, successor = await complete(calls, quotas, target, _id())
            result = _result(200, row)
            if successor is not None:
                result["successor"] = successor["id"]
            return result
        case _:
            assert_never(operation)


def _id() -> UUID:
    return FastUUID(str(uuid7()))


def _result(status: int, row: shapes.Task) -> OperationResult:
    return {"status": status, "task": task_of(row)}


def _point(problem: Problem, pointer: str) -> None:
    problem.members = {**problem.members, "pointer": pointer}


def _batch(content: bytes, owner: str) -> Batch:
    """Parse the body as a batch. Raises Invalid, with a pointer to the operation."""
    try:
        batch = parsed(content, Batch)
        batch.check(owner)
    except Invalid as problem:
        place = problem.errors[0].get("pointer", "").split("/")
        if len(place) > 2:
            _point(problem, pointer_to(int(place[2])))
        raise
    return batch


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_USER,
    headers=("Idempotency-Key",),
    body=Batch,
    answers={200: Answer("All was done.", BatchResults, headers=("Idempotency-Replayed",))},
    problems=(TooSlow, PreconditionFailed, AlreadyCompleted, Conflict, QuotaExceeded, Refused),
    examples=(
        Example(
            "One changed, one new",
            200,
            {
                "results": [
                    {"status": 200, "task": {**EXAMPLE, "priority": "high", "version": 2}},
                    {"status": 201, "task": {**EXAMPLE, "description": None, "tags": []}},
                ]
            },
            body={
                "operations": [
                    {
                        "op": "patch",
                        "id": EXAMPLE["id"],
                        "if_match": 1,
                        "patch": {"priority": "high"},
                    },
                    {
                        "op": "create",
                        "task": {name: EXAMPLE[name] for name in ("title", "due_date")},
                    },
                ]
            },
        ),
        Example(
            "Done and gone",
            200,
            {
                "results": [
                    {
                        "status": 200,
                        "task": {
                            **EXAMPLE,
                            "completed": True,
                            "completed_at": EXAMPLE["updated_at"],
                            "version": 2,
                        },
                    },
                    {"status": 204},
                ]
            },
            body={
                "operations": [
                    {"op": "complete", "id": EXAMPLE["id"]},
                    {"op": "delete", "id": EXAMPLE["id"]},
                ]
            },
        ),
    ),
)
async def batch_tasks(request: Exchange) -> Response:
    """Create, put, change, delete and complete up to 100 tasks at once, all or none.

    Each operation equals a single request, and sees the tasks as the ones before it left them. The
    first one that fails decides the response, with a `pointer` to it, and nothing is changed. A
    malformed batch is refused before anything runs. The body may have 1 MiB.
    """
    writer = Writer(request)
    services = writer.services
    content = await content_of(request, Batch)
    with services.large_bodies.slot(writer.owner, len(content)):
        batch = _batch(content, writer.owner)

        async def done(calls: Calls) -> Response:
            return reply({"results": await carry_out(calls, services.quotas, batch.operations)})

        return await writer.write(batch, together=done, changes=len(batch.operations))
