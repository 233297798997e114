"""The writes of tasks, as steps of a transaction, which all writing requests share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from ..db import shapes
from ..db.calls import Calls
from ..web.conditions import Conditions, etag
from ..web.problem_types import NotFound, PreconditionFailed
from . import due, schedule
from .quotas import Quotas
from .task import MEMBERS, NewTask, TaskPatch
from .task_columns import columns_of, size_of
from .transactions import Overtaken

_CHANGED = frozenset(MEMBERS)
_SCHEDULE = frozenset({"due_date", "time_zone", "recurrence"})

R = TypeVar("R")

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Target:
    """The task that a write changes."""

    id: UUID
    conditions: Conditions
    pointer: str = ""
    """Where in the body it is spoken of, for faults."""


async def create(
    calls: Calls, quotas: Quotas, task_id: UUID, new: NewTask, *, chosen: bool = False
) -> shapes.Task:
    """Create a task; `chosen` says that the id is the client's. Return it.

    Only in a transaction. Raises QuotaExceeded, and Overtaken where a task has the id by now: what
    it may become is then another question.
    """
    created = await create_all(calls, quotas, [(task_id, new)], chosen=chosen)
    if created is not None:
        return created[0]
    if chosen and await calls.maybe("tasks/get", id=task_id) is not None:
        raise Overtaken
    used = await calls.maybe("owners/get")
    raise quotas.exceeded(*(used["tasks"], used["bytes"]) if used else (0, 0))


async def create_all(
    calls: Calls, quotas: Quotas, tasks: Sequence[tuple[UUID, NewTask]], *, chosen: bool = False
) -> list[shapes.Task] | None:
    """Create tasks, counted in by one statement. Return them, or None where there is no room for
    all of them, and nothing was changed.

    Only in a transaction. Raises Overtaken.
    """
    rows: list[dict[str, Any]] = []
    completed = size = 0
    for task_id, new in tasks:
        row = {"id": task_id, "size": size_of(new), **columns_of(new, MEMBERS)}
        rows.append(row)
        completed += row["completed"]
        size += row["size"]
    if not quotas.allow(len(rows), size):  # an owner's first tasks meet no count
        return None
    me = await calls.maybe(
        "owners/lock_create",
        open=len(rows) - completed,
        completed=completed,
        bytes=size,
        **quotas.parameters,
    )
    if me is None:
        return None
    created = []
    for sequence, row in enumerate(rows, me["sequence"] - len(rows) + 1):
        created.append(await _insert(calls, row, sequence, sequence if chosen else 1))
    return created


async def create_at(calls: Calls, quotas: Quotas, target: Target, new: NewTask) -> shapes.Task:
    """Create a task at an id of the client's choice, where `replace` has found none. Return it.

    Only in a transaction. Raises PreconditionFailed, QuotaExceeded and Overtaken.
    """
    if not target.conditions.may_create:
        raise PreconditionFailed
    return await create(calls, quotas, target.id, new, chosen=True)


async def replace(calls: Calls, quotas: Quotas, target: Target, new: NewTask) -> shapes.Task | None:
    """Change all members of a task. Return it, or None if it does not exist.

    Raises PreconditionFailed and QuotaExceeded.
    """
    return await _change(calls, quotas, target, columns_of(new, MEMBERS))


async def patch(calls: Calls, quotas: Quotas, target: Target, changes: TaskPatch) -> shapes.Task:
    """Change the members sent. Return the task.

    Raises NotFound, PreconditionFailed, QuotaExceeded, and Invalid for a due date, time zone or
    recurrence that does not fit what the task has of the others.
    """
    members = changes.model_fields_set & _CHANGED
    columns = columns_of(changes, members)
    if members and not members & _SCHEDULE:
        return _found(await _change(calls, quotas, target, columns))
    was = await get(calls, target)
    if not members:
        return was
    whole = {**was, **columns}
    due_date = due.loaded(whole["due_at"], whole["due_all_day"])
    schedule.check(due_date, whole["time_zone"], whole["recurrence"], target.pointer)
    return await change_version(calls, quotas, was, columns)


async def get(calls: Calls, target: Target) -> shapes.Task:
    """Return the task. Raises NotFound and PreconditionFailed."""
    row = _found(await calls.maybe("tasks/get", id=target.id))
    if not target.conditions.fit(row["version"]):
        raise PreconditionFailed(etag(row["version"]))
    return row


async def change_version(
    calls: Calls, quotas: Quotas, was: shapes.Task, columns: Mapping[str, object]
) -> shapes.Task:
    """Change columns of a task that was read. Return it. Raises QuotaExceeded, and Overtaken if it
    has changed since.
    """
    only = Target(was["id"], Conditions(frozenset({str(was["version"])}), None))
    try:
        row = await _change(calls, quotas, only, columns)
    except PreconditionFailed:
        raise Overtaken from None
    if row is None:
        raise Overtaken
    return row


async def delete(calls: Calls, target: Target) -> None:
    """Delete a task. Raises NotFound and PreconditionFailed."""
    row = _found(await calls.maybe("tasks/delete", id=target.id, **target.conditions.parameters))
    if not row["deleted"]:
        raise PreconditionFailed(etag(row["current_version"]))


async def _change(
    calls: Calls, quotas: Quotas, target: Target, columns: Mapping[str, object]
) -> shapes.Task | None:
    row = await calls.maybe(
        "tasks/change",
        id=target.id,
        patch=_encode(columns).decode(),
        **target.conditions.parameters,
        max_bytes=quotas.bytes,
    )
    if row is None:
        return None
    if row["used_tasks"] is not None:
        raise quotas.exceeded(row["used_tasks"], row["used_bytes"])
    if row["id"] is None:
        raise PreconditionFailed(etag(row["current_version"]))
    return row


async def _insert(
    calls: Calls, columns: Mapping[str, Any], sequence: int, version: int
) -> shapes.Task:
    """Store a task that was counted in. Return it. Raises Overtaken where another has its id."""
    values = {"version": version, "sequence": sequence, **columns}
    row = await calls.maybe("tasks/create", **values)
    if row is None and await calls.count("tasks/erase", id=columns["id"]):
        row = await calls.maybe("tasks/create", **values)
    if row is None:
        raise Overtaken
    return row


def _found(row: R | None) -> R:
    if row is None:
        raise NotFound
    return row
