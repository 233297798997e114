"""Complete a task, and create the successor of a recurring one."""

from typing import Any, ClassVar
from uuid import UUID

from starlette.responses import Response
from uuid_utils import uuid7

from ..auth.bearer import owner_of
from ..contract.operation import Answer, Example, Header, Operation
from ..db import shapes
from ..db.calls import Calls
from ..db.types import FastUUID
from ..web.conditions import conditions_of
from ..web.exchange import Exchange
from ..web.input import uuid_of
from ..web.problem import Problem
from ..web.problem_types import (
    Conflict,
    TooSlow,
)
from ..web.replies import path_of
from . import due, recurrence
from .quotas import QuotaExceeded, Quotas
from .task import CONDITIONS, EXAMPLE, MEMBERS, OF_TASK, NewTask, Task
from .task_columns import reply_of
from .transactions import Writer
from .writes import Target, change_version, create, get


class AlreadyCompleted(Problem):
    """The task is completed already. Nothing was changed, and a recurring task has its successor.

    There is nothing to do. To complete it again, first set `completed` to false.
    """

    status, slug, title = 409, "already-completed", "Already completed"
    detail: ClassVar[str] = "The task is completed already"


SUCCESSOR = Header(
    'On a recurring task: the link to its successor (RFC 8288), `rel="successor"`.',
    {"type": "string"},
    required=False,
)


async def complete(
    calls: Calls, quotas: Quotas, target: Target, successor_id: UUID
) -> tuple[shapes.Task, shapes.Task | None]:
    """Complete a task. Return it and its successor, if any, which gets the id `successor_id`.

    Only in a transaction. Raises NotFound, PreconditionFailed, AlreadyCompleted and QuotaExceeded.
    """
    was = await get(calls, target)
    if was["completed"]:
        raise AlreadyCompleted
    row = await change_version(calls, quotas, was, {"completed": True})
    following = _successor(was)
    if following is None:
        return row, None
    return row, await create(calls, quotas, successor_id, following)


def _successor(task: shapes.Task) -> NewTask | None:
    """Return a recurring task's successor: the same task, due on the next date."""
    due_date = due.loaded(task["due_at"], task["due_all_day"])
    if task["recurrence"] is None or due_date is None:
        return None
    zone = due.zone_of(task["time_zone"])
    following = recurrence.successor(task["recurrence"], due_date, zone)
    if following is None:
        return None
    same: dict[str, Any] = {name: value for name, value in task.items() if name in MEMBERS}
    changed = {
        "completed": False,
        "due_date": following[0].isoformat(),
        "recurrence": following[1],
    }
    return NewTask.model_construct(**{**same, **changed})


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_TASK,
    headers=(*CONDITIONS, "Idempotency-Key"),
    answers={
        200: Answer(
            "The task, completed.",
            Task,
            headers=("ETag", "Idempotency-Replayed"),
            own_headers={"Link": SUCCESSOR},
        )
    },
    problems=(TooSlow, AlreadyCompleted, Conflict, QuotaExceeded),
    examples=(
        Example(
            "Done",
            200,
            {
                **EXAMPLE,
                "completed": True,
                "completed_at": "2026-01-05T08:00:00.123456Z",
                "updated_at": "2026-01-05T08:00:00.123456Z",
                "version": 2,
            },
        ),
    ),
)
async def complete_task(request: Exchange) -> Response:
    """Complete a task.

    This also creates the successor of a recurring task: the same task with the next due date after
    its own, by the clock of its time zone. `Link` with `rel="successor"` leads to it. There is none
    after UNTIL, or if COUNT is 1; otherwise the successor's COUNT is one less.
    """
    writer = Writer(request)
    target = Target(uuid_of(request, "task_id"), conditions_of(request))
    quotas = writer.services.quotas
    successor_id = FastUUID(str(uuid7()))

    async def completed(calls: Calls) -> Response:
        row, following = await complete(calls, quotas, target, successor_id)
        if following is None:
            return reply_of(row)
        tasks = path_of(request).removesuffix("/complete").rpartition("/")[0]
        return reply_of(row, 200, {"Link": f'<{tasks}/{following["id"]}>; rel="successor"'})

    return await writer.write(None, together=completed)
