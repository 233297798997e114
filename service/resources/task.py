"""A task: what clients see of it and send of it."""

from operator import itemgetter
from typing import Annotated, Any
from uuid import UUID

import msgspec
from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..contract.operation import Answer
from ..db import shapes
from ..web.input import JSON, MERGE_PATCH, NO_NUL, NOT_BLANK, Body
from ..web.replies import Instant, instant

UserId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        examples=["alice"],
        description="Whose tasks: the subject (`sub`) of the token.",
    ),
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
    """Chosen by the client with PUT; otherwise made by the service, a UUID of version 7, which
    sorts by time.
    """
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
    version: Annotated[int, Field(ge=1)]
    """Rises with every change; in quotes it is the task's `ETag`."""


class NewTask(Body):
    """A task to create, or to put in the place of another."""

    title: Title
    """What to do: 1 to 255 characters (code points), not only white space."""
    description: Description | None = None
    """More about it: up to 2,000 characters (code points), or null."""
    completed: bool = False
    """Whether it is done."""

    @property
    def values(self) -> shapes.NewTask:
        """The members as statements take them."""
        return {
            "title": self.title,
            "description": self.description,
            "completed": self.completed,
        }


def size_of(task: NewTask) -> int:
    """Return the bytes of a task's texts, in UTF-8: what quotas count."""
    return len(task.title.encode()) + len((task.description or "").encode())


def _without_defaults(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)


class TaskPatch(Body):
    """A merge patch (RFC 7396): members that are sent change, the others stay. `{}` changes
    nothing.
    """

    # The defaults are never used: what is not sent stays as it is. So the contract does not show
    # them.
    model_config = ConfigDict(json_schema_extra=_without_defaults)
    media_types = (MERGE_PATCH, JSON)

    title: Title = ""
    """What to do: 1 to 255 characters (code points), not only white space."""
    description: Description | None = None
    """More about it: up to 2,000 characters (code points); null clears it."""
    completed: bool = False
    """Whether it is done."""


OF_USER = {"user_id": UserId}
OF_TASK = {**OF_USER, "task_id": TaskId}
"""The parameters of the paths of a user's tasks, and of one of them."""
CONDITIONS = ("If-Match", "If-None-Match")
SAME = Answer("The copy with that ETag is the current one.", headers=("ETag",))
"""What 304 says."""

EXAMPLE: dict[str, Any] = {
    "id": "0198c2f4-6a00-7d3e-9b51-2f8f3b6f7d10",
    "owner_id": "alice",
    "title": "Buy milk",
    "description": "Two litres",
    "completed": False,
    "created_at": "2026-01-02T03:04:05.678901Z",
    "updated_at": "2026-01-02T03:04:05.678901Z",
    "version": 1,
}


_members = itemgetter(*Task.__annotations__)
# What the encoder writes in half the time that a dictionary takes. No such task is ever part of a
# cycle.
_Encodable = msgspec.defstruct(
    "_Encodable", [(member, Any) for member in Task.__annotations__], gc=False
)


def task_of(row: shapes.Task) -> Any:
    """A row with a task's columns as a Task for the encoder."""
    task: Any = _Encodable(*_members(row))
    if not (task.created_at.microsecond and task.updated_at.microsecond):  # hardly ever
        task.created_at, task.updated_at = instant(task.created_at), instant(task.updated_at)
    return task
