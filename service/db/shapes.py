"""What statements take and return. Made by `make index` from the headers in sql/."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID


class NewTask(TypedDict):
    """The shape `NewTask`."""

    title: str
    description: str | None
    completed: bool


class Task(NewTask):
    """The shape `Task`."""

    id: UUID
    owner_id: str
    created_at: datetime
    updated_at: datetime
    version: int


class ChangesListValues(TypedDict):
    """The parameters of `changes/list`."""

    after: int
    deleted_after: int | None
    page_size: int


class ChangesListRow(TypedDict):
    """A row of `changes/list`."""

    newest: int
    horizon: int
    sequence: int | None
    deleted: bool | None
    id: UUID | None
    owner_id: str | None
    title: str | None
    description: str | None
    completed: bool | None
    created_at: datetime | None
    updated_at: datetime | None
    version: int | None


class OwnersGetRow(TypedDict):
    """A row of `owners/get`."""

    sequence: int


class OwnersUsageRow(TypedDict):
    """A row of `owners/usage`."""

    tasks: int
    bytes: int | None


class SchemaAppliedRow(TypedDict):
    """A row of `schema/applied`."""

    id: str
    applied_at: datetime
    sha256: str | None


class SchemaPingRow(TypedDict):
    """A row of `schema/ping`."""

    answer: int


class TasksCreateValues(TypedDict):
    """The parameters of `tasks/create`."""

    id: UUID
    title: str
    description: str | None
    completed: bool
    max_tasks: int | None
    max_bytes: int | None


class TasksCreateRow(TypedDict):
    """A row of `tasks/create`."""

    id: UUID
    owner_id: str
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime
    version: int


class TasksCreateOnceValues(TypedDict):
    """The parameters of `tasks/create_once`."""

    key: str
    fingerprint: bytes
    id: UUID
    title: str
    description: str | None
    completed: bool
    max_tasks: int | None
    max_bytes: int | None


class TasksCreateOnceRow(TypedDict):
    """A row of `tasks/create_once`."""

    replayed: bool
    again: bool
    fingerprint: bytes | None
    status: int | None
    task_id: UUID | None
    version: int | None
    answer: str | None
    used_tasks: int | None
    used_bytes: int | None


class TasksDeleteValues(TypedDict):
    """The parameters of `tasks/delete`."""

    id: UUID
    wanted: str | None
    unwanted: str


class TasksDeleteRow(TypedDict):
    """A row of `tasks/delete`."""

    deleted: bool
    current_version: int


class TasksGetValues(TypedDict):
    """The parameters of `tasks/get`."""

    id: UUID


class TasksGetRow(TypedDict):
    """A row of `tasks/get`."""

    id: UUID
    owner_id: str
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime
    version: int


class TasksListValues(TypedDict):
    """The parameters of `tasks/list`."""

    completed: bool | None
    page_size: int
    skip: int


class TasksListRow(TypedDict):
    """A row of `tasks/list`."""

    sequence: int
    total: int
    id: UUID | None
    owner_id: str | None
    title: str | None
    description: str | None
    completed: bool | None
    created_at: datetime | None
    updated_at: datetime | None
    version: int | None


class TasksListAfterValues(TypedDict):
    """The parameters of `tasks/list_after`."""

    completed: bool | None
    created_at: datetime
    id: UUID
    page_size: int


class TasksListAfterRow(TypedDict):
    """A row of `tasks/list_after`."""

    sequence: int
    total: int
    id: UUID | None
    owner_id: str | None
    title: str | None
    description: str | None
    completed: bool | None
    created_at: datetime | None
    updated_at: datetime | None
    version: int | None


class TasksPatchValues(TypedDict):
    """The parameters of `tasks/patch`."""

    id: UUID
    patch: str
    wanted: str | None
    unwanted: str
    max_bytes: int | None


class TasksPatchRow(TypedDict):
    """A row of `tasks/patch`."""

    current_version: int
    id: UUID | None
    owner_id: str | None
    title: str | None
    description: str | None
    completed: bool | None
    created_at: datetime | None
    updated_at: datetime | None
    version: int | None
    used_tasks: int | None
    used_bytes: int | None


class TasksPatchOnceValues(TypedDict):
    """The parameters of `tasks/patch_once`."""

    key: str
    fingerprint: bytes
    id: UUID
    patch: str
    wanted: str | None
    unwanted: str
    max_bytes: int | None


class TasksPatchOnceRow(TypedDict):
    """A row of `tasks/patch_once`."""

    replayed: bool
    fingerprint: bytes | None
    status: int | None
    task_id: UUID | None
    version: int | None
    answer: str | None
    used_tasks: int | None
    used_bytes: int | None


class TasksPutValues(TypedDict):
    """The parameters of `tasks/put`."""

    id: UUID
    title: str
    description: str | None
    completed: bool
    wanted: str | None
    unwanted: str
    may_create: bool
    max_tasks: int | None
    max_bytes: int | None


class TasksPutRow(TypedDict):
    """A row of `tasks/put`."""

    created: bool
    again: bool
    current_version: int | None
    id: UUID | None
    owner_id: str | None
    title: str | None
    description: str | None
    completed: bool | None
    created_at: datetime | None
    updated_at: datetime | None
    version: int | None
    used_tasks: int | None
    used_bytes: int | None
