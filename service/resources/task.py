"""The models of a task in requests and responses."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..contract.operation import Answer
from ..web.conditions import Conditions
from ..web.input import INTEGRAL, JSON, MERGE_PATCH, Body
from ..web.problem_types import Fault, Invalid
from ..web.replies import Instant
from . import due, schedule
from .members import (
    Description,
    DueDate,
    Position,
    Priority,
    Recurrence,
    Tags,
    TaskId,
    TimeZone,
    Title,
    UserId,
)


class Task(TypedDict):
    """A task. Later versions may add members."""

    id: UUID
    """Chosen by the client with PUT; otherwise a UUID of version 7, which sorts by time."""
    owner_id: UserId
    """The owner's user id."""
    title: Title
    """What to do."""
    description: Description | None
    """Details; null for none."""
    completed: bool
    """Whether it is done."""
    priority: Priority
    """How much it matters."""
    tags: list[str]
    """Up to 20, in the order sent."""
    due_date: str | None
    """A date, `2026-03-01`, the same in every time zone; or an instant, in UTC with microseconds;
    null if never due.
    """
    time_zone: str | None
    """The IANA name of the zone that a recurring instant follows; null for UTC."""
    recurrence: str | None
    """The RFC 5545 RRULE value of a recurring task; null if it does not recur."""
    position: float | None
    """The sort key of the client's own order; null for none."""
    completed_at: Instant | None
    """When it was last completed; null while open."""
    created_at: Instant
    """When it was created; never changes."""
    updated_at: Instant
    """When it last changed."""
    version: Annotated[int, Field(ge=1)]
    """Rises with every change; in quotes it is the task's `ETag`."""


def _without_defaults(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)


class NewTask(Body):
    """A task to create, or to replace another: `title`, and members without their defaults."""

    # Generators require members with `default`, so the description has it.
    model_config = ConfigDict(json_schema_extra=_without_defaults)

    title: Title
    """What to do: 1 to 255 characters (code points), not only white space."""
    description: Description | None = None
    """Details: up to 2,000 characters (code points), or null (default)."""
    completed: bool = False
    """Whether it is done; false by default."""
    priority: Priority = "medium"
    """How much it matters; medium by default."""
    tags: Tags = Field(default_factory=list)
    """Up to 20 distinct texts of 1 to 50 characters, without control characters or white space at
    the ends; none by default.
    """
    due_date: DueDate | None = None
    """A date, `2026-03-01`, the same in every time zone; or an RFC 3339 date-time with an offset:
    an instant. Null (default) if never due. The years 1970 to 9999.
    """
    time_zone: TimeZone | None = None
    """An IANA name, if `due_date` has a time: the zone that it follows when it recurs. Null
    (default) for UTC.
    """
    recurrence: Recurrence | None = None
    """An RFC 5545 RRULE value, `FREQ=WEEKLY;BYDAY=MO,WE`, with a `due_date`: DAILY to YEARLY,
    INTERVAL, BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS, WKST, COUNT, UNTIL. Null (default) for a task
    that does not recur.
    """
    position: Position | None = None
    """A finite number: the sort key of the client's own order. Null (default) for none."""

    def check_schedule(self, pointer: str = "") -> None:
        """Raise Invalid, with pointers below `pointer`, if due date, time zone and recurrence do
        not fit together.
        """
        due_date = None if self.due_date is None else due.parse(self.due_date)
        schedule.check(due_date, self.time_zone, self.recurrence, pointer)


MEMBERS = tuple(NewTask.model_fields)
"""The members that clients set."""


class ReadOnly(Body):
    """The members that the service sets. A change may include them, unchanged, so that a client can
    read a task, change it and send it back.
    """

    id: UUID = UUID(int=0)
    """Read-only: the task's id, as in the path."""
    owner_id: str = ""
    """Read-only: the owner, as in the path."""
    created_at: str = ""
    """Read-only: ignored."""
    updated_at: str = ""
    """Read-only: ignored."""
    completed_at: str | None = None
    """Read-only: ignored. Set `completed` instead."""
    version: Annotated[int, Field(ge=1), INTEGRAL] = 1
    """Read-only, and a precondition: 412 unless the task has this version, as with `If-Match`."""

    def check(self, owner: str, task_id: UUID, pointer: str = "") -> None:
        """Raise Invalid, with pointers below `pointer`, if `id` or `owner_id` differ."""
        known = {"id": task_id, "owner_id": owner}
        for member in self.model_fields_set & known.keys():
            if getattr(self, member) != known[member]:
                fault: Fault = {
                    "pointer": f"{pointer}/{member}",
                    "detail": "Must be that of the task, or left out",
                    "code": "read_only",
                }
                raise Invalid([fault])

    def narrow(self, conditions: Conditions) -> Conditions:
        """Return the conditions with `version` added to them."""
        if "version" not in self.model_fields_set:
            return conditions
        version = frozenset({str(self.version)})
        matched = version if conditions.match in (None, "*") else version & {*conditions.match}
        return replace(conditions, match=matched)


class WholeTask(NewTask, ReadOnly):
    """A task to put at an id, new or existing."""


class TaskPatch(NewTask, ReadOnly):
    """A merge patch (RFC 7396): members sent change, null clears, all others stay. `{}` changes
    nothing.
    """

    media_types = (MERGE_PATCH, JSON)

    title: Title = ""
    """What to do: 1 to 255 characters (code points), not only white space."""


OF_USER = {"user_id": UserId}
OF_TASK = {**OF_USER, "task_id": TaskId}
"""The parameters of the paths of a user's tasks, and of one of them."""
CONDITIONS = ("If-Match", "If-None-Match")
SAME = Answer("The copy with that ETag is the current one.", headers=("ETag",))
"""The response 304."""

EXAMPLE: dict[str, Any] = {
    "id": "0198c2f4-6a00-7d3e-9b51-2f8f3b6f7d10",
    "owner_id": "alice",
    "title": "Buy milk",
    "description": "Two litres",
    "completed": False,
    "priority": "medium",
    "tags": ["errands"],
    "due_date": "2026-01-05",
    "time_zone": None,
    "recurrence": None,
    "position": None,
    "completed_at": None,
    "created_at": "2026-01-02T03:04:05.678901Z",
    "updated_at": "2026-01-02T03:04:05.678901Z",
    "version": 1,
}
