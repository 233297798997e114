"""The writes of tasks, as the steps of a transaction: what every request that changes tasks is made
of.
"""

from uuid import UUID

from ..db import shapes
from ..db.calls import Calls
from ..web.conditions import Conditions, etag
from ..web.problem_types import NotFound, PreconditionFailed
from .quotas import Quotas
from .task import NewTask, size_of
from .transactions import Overtaken


async def create(
    calls: Calls, quotas: Quotas, task_id: UUID, new: NewTask, *, chosen: bool = False
) -> shapes.Task:
    """Create a task; `chosen` says that the id is the client's. Return it.

    Only in a transaction. Raises QuotaExceeded, and Overtaken where a task has the id by now: what
    it may become is then another question.
    """
    size = size_of(new)
    me = None
    if quotas.allow(1, size):  # an owner's first task meets no count
        me = await calls.maybe(
            "owners/lock_create",
            open=int(not new.completed),
            completed=int(new.completed),
            bytes=size,
            **quotas.parameters,
        )
    if me is None:
        if chosen and await calls.maybe("tasks/get", id=task_id) is not None:
            raise Overtaken
        used = await calls.maybe("owners/get")
        raise quotas.exceeded(*(used["tasks"], used["bytes"]) if used else (0, 0))
    values: shapes.TasksCreateValues = {
        "id": task_id,
        "version": me["sequence"] if chosen else 1,
        "sequence": me["sequence"],
        **new.values,
    }
    row = await calls.maybe("tasks/create", **values)
    if row is None and await calls.count("tasks/erase", id=task_id):
        row = await calls.maybe("tasks/create", **values)
    if row is None:
        raise Overtaken
    return row


async def change(
    calls: Calls, quotas: Quotas, task_id: UUID, patch: str, conditions: Conditions
) -> shapes.Task | None:
    """Change the members that `patch`, a JSON object, has. Return the task, or None where there is
    none.

    Raises PreconditionFailed and QuotaExceeded.
    """
    row = await calls.maybe(
        "tasks/change",
        id=task_id,
        patch=patch,
        **conditions.parameters,
        max_bytes=quotas.bytes,
    )
    if row is None:
        return None
    if row["used_tasks"] is not None:
        raise quotas.exceeded(row["used_tasks"], row["used_bytes"])
    if row["id"] is None:
        raise PreconditionFailed(etag(row["current_version"]))
    return row


async def delete(calls: Calls, task_id: UUID, conditions: Conditions) -> None:
    """Delete a task. Raises NotFound and PreconditionFailed."""
    row = await calls.maybe("tasks/delete", id=task_id, **conditions.parameters)
    if row is None:
        raise NotFound
    if not row["deleted"]:
        raise PreconditionFailed(etag(row["current_version"]))
