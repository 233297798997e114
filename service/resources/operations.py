"""The operations of a batch and their results."""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal, NotRequired
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..web.conditions import Conditions
from ..web.input import INTEGRAL, MAX_LIST_BYTES, Body
from .members import TaskId
from .task import NewTask, Task, TaskPatch, WholeTask
from .writes import Target

MAX_OPERATIONS = 100


class CreateOperation(Body):
    """Create a task, as `POST` does."""

    op: Literal["create"]
    """The kind of operation."""
    task: NewTask
    """The new task."""

    def check(self, owner: str, pointer: str) -> None:  # noqa: ARG002 - as the others have it
        """Raise Invalid, with pointers below `pointer`, if its members do not fit together."""
        self.task.check_schedule(f"{pointer}/task")


class _OfTask(Body):
    id: TaskId
    """The task's id."""
    if_match: Annotated[int, Field(ge=1), INTEGRAL] | None = None
    """Only if the task has this version, as with `If-Match`; null for any."""

    def target(self, pointer: str) -> Target:
        """Return its task; `pointer` leads to the task's members."""
        match = None if self.if_match is None else frozenset({str(self.if_match)})
        return Target(self.id, Conditions(match, None), pointer)

    def check(self, owner: str, pointer: str) -> None:
        """Raise Invalid, with pointers below `pointer`, if its members do not fit together."""


class PutOperation(_OfTask):
    """Put a whole task at an id, as `PUT` does."""

    op: Literal["put"]
    """The kind of operation."""
    task: WholeTask
    """The whole task."""
    if_none_match: Literal["*"] | None = None
    """`*`: create, never replace; null: either."""

    def target(self, pointer: str) -> Target:
        """Return its task."""
        target = super().target(f"{pointer}/task")
        conditions = replace(target.conditions, none_match=self.if_none_match)
        return replace(target, conditions=self.task.narrow(conditions))

    def check(self, owner: str, pointer: str) -> None:
        """Raise Invalid, with pointers below `pointer`, if its members do not fit together."""
        self.task.check(owner, self.id, f"{pointer}/task")
        self.task.check_schedule(f"{pointer}/task")


class PatchOperation(_OfTask):
    """Change a task, as `PATCH` does."""

    op: Literal["patch"]
    """The kind of operation."""
    patch: TaskPatch
    """A merge patch."""

    def target(self, pointer: str) -> Target:
        """Return its task."""
        target = super().target(f"{pointer}/patch")
        return replace(target, conditions=self.patch.narrow(target.conditions))

    def check(self, owner: str, pointer: str) -> None:
        """Raise Invalid, with pointers below `pointer`, if its members do not fit together."""
        self.patch.check(owner, self.id, f"{pointer}/patch")


class DeleteOperation(_OfTask):
    """Delete a task, as `DELETE` does."""

    op: Literal["delete"]
    """The kind of operation."""


class CompleteOperation(_OfTask):
    """Complete a task, as `POST …/complete` does."""

    op: Literal["complete"]
    """The kind of operation."""


BatchOperation = Annotated[
    CreateOperation | PutOperation | PatchOperation | DeleteOperation | CompleteOperation,
    Field(discriminator="op"),
]


class Batch(Body):
    """Operations to carry out in this order, all or none."""

    max_bytes: ClassVar[int] = MAX_LIST_BYTES

    operations: Annotated[list[BatchOperation], Field(min_length=1, max_length=MAX_OPERATIONS)]
    """1 to 100 operations. Each sees the tasks as the ones before it left them."""

    def check(self, owner: str) -> None:
        """Raise Invalid for the first operation whose members do not fit together."""
        for number, operation in enumerate(self.operations):
            operation.check(owner, pointer_to(number))


def pointer_to(number: int) -> str:
    """Return the pointer to an operation."""
    return f"/operations/{number}"


class OperationResult(TypedDict):
    """The result of one operation."""

    status: Annotated[int, Field(ge=200, le=299)]
    """The status of the equivalent single request."""
    task: NotRequired[Task]
    """The task after it; absent if it was deleted."""
    successor: NotRequired[UUID]
    """The id of the task that follows a completed recurring one, if any."""


class BatchResults(TypedDict):
    """The results of a batch."""

    results: list[OperationResult]
    """One for each operation, in order."""
