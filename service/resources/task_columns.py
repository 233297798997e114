"""A task in columns: of a request for a statement, and of a row for a response."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any, get_type_hints

import msgspec
from starlette.responses import Response

from ..db import shapes
from ..web.conditions import etag, validators
from ..web.replies import instant, reply
from . import due
from .task import NewTask, Task

_DUE = {"due_date": "due_at"}
_COLUMNS = tuple(_DUE.get(member, member) for member in Task.__annotations__)
# The encoder writes these in half the time of a dictionary. None is ever part of a cycle.
_Encodable = msgspec.defstruct(
    "_Encodable", [(member, Any) for member in Task.__annotations__], gc=False
)


TaskRow = type(
    "TaskRow",
    (),
    {
        "__annotations__": {
            **{name: kind for name, kind in get_type_hints(Task).items() if name not in _DUE},
            "due_at": datetime | None,
            "due_all_day": bool,
        }
    },
)
"""The columns that `task_of` needs."""


def columns_of(task: NewTask, members: Iterable[str]) -> dict[str, Any]:
    """Return these members of a task as columns."""
    columns = {member: getattr(task, member) for member in members}
    if "due_date" in columns:
        text = columns.pop("due_date")
        at, all_day = due.stored(due.parse(text)) if text is not None else (None, False)
        columns |= {"due_at": at, "due_all_day": all_day}
    return columns


def size_of(task: NewTask) -> int:
    """Return the bytes of a task's texts in UTF-8, which quotas count, as in tasks/change."""
    texts = (task.title, task.description or "", *task.tags, task.recurrence or "")
    return len("".join(texts).encode())


Values = Callable[[shapes.Task], tuple[Any, ...]]
"""Returns a row's values of the members of a Task, in their order."""

_by_name: Values = itemgetter(*_COLUMNS)


def values_of(rows: Sequence[shapes.Task]) -> Values:
    """Return what reads each of the rows of one statement by place: by name takes twice as long."""
    return _by_place(tuple(rows[0].keys())) if rows else _by_name


@cache
def _by_place(columns: tuple[str, ...]) -> Values:
    return itemgetter(*map(columns.index, _COLUMNS))


def task_of(row: shapes.Task, values: Values = _by_name) -> Any:
    """Return a row with a task's columns as a Task for the encoder."""
    task: Any = _Encodable(*values(row))
    if task.due_date is not None:
        task.due_date = due.shown(task.due_date, row["due_all_day"])
    if task.completed_at is not None:
        task.completed_at = instant(task.completed_at)
    if not (task.created_at.microsecond and task.updated_at.microsecond):  # rare
        task.created_at, task.updated_at = instant(task.created_at), instant(task.updated_at)
    return task


def reply_of(
    row: shapes.Task, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with a task and its ETag."""
    validated = validators(etag(row["version"]))
    return reply(task_of(row), status, {**validated, **headers} if headers else validated)
