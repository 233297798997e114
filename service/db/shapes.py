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


class Change(Task):
    """The shape `Change`."""

    sequence: int
    deleted: bool


class NoChange(TypedDict):
    """In place of the columns of a `Change` that is not there."""

    sequence: None
    deleted: None
    id: None
    owner_id: None
    title: None
    description: None
    completed: None
    created_at: None
    updated_at: None
    version: None


class NoTask(TypedDict):
    """In place of the columns of a `Task` that is not there."""

    id: None
    owner_id: None
    title: None
    description: None
    completed: None
    created_at: None
    updated_at: None
    version: None


class ChangesListValues(TypedDict):
    """The parameters of `changes/list`."""

    after: int
    deleted_after: int | None
    page_size: int


class _ChangesList(TypedDict):
    """In each row of `changes/list`."""

    newest: int
    horizon: int


class ChangesListWithChange(_ChangesList, Change):
    """A row of `changes/list`."""


class ChangesListWithoutChange(_ChangesList, NoChange):
    """A row of `changes/list`."""


ChangesListRow = ChangesListWithChange | ChangesListWithoutChange


class KeysClaimValues(TypedDict):
    """The parameters of `keys/claim`."""

    key: str
    fingerprint: bytes


class KeysGetValues(TypedDict):
    """The parameters of `keys/get`."""

    key: str


class KeysGetRow(TypedDict):
    """A row of `keys/get`."""

    fingerprint: bytes
    status: int | None
    headers: str | None
    body: str | None


class KeysKeepValues(TypedDict):
    """The parameters of `keys/keep`."""

    key: str
    status: int
    headers: str
    body: str


class OwnersGetRow(TypedDict):
    """A row of `owners/get`."""

    sequence: int
    tasks: int
    bytes: int


class OwnersLockCreateValues(TypedDict):
    """The parameters of `owners/lock_create`."""

    open: int
    completed: int
    bytes: int
    max_tasks: int | None
    max_bytes: int | None


class OwnersLockCreateRow(TypedDict):
    """A row of `owners/lock_create`."""

    sequence: int


class SchemaAppliedRow(TypedDict):
    """A row of `schema/applied`."""

    id: str
    applied_at: datetime
    sha256: str | None


class SchemaPingRow(TypedDict):
    """A row of `schema/ping`."""

    answer: int


class TasksChangeValues(TypedDict):
    """The parameters of `tasks/change`."""

    id: UUID
    patch: str
    wanted: str | None
    unwanted: str
    max_bytes: int | None


class _TasksChange(TypedDict):
    """In each row of `tasks/change`."""

    current_version: int
    used_tasks: int | None
    used_bytes: int | None


class TasksChangeWithTask(_TasksChange, Task):
    """A row of `tasks/change`."""


class TasksChangeWithoutTask(_TasksChange, NoTask):
    """A row of `tasks/change`."""


TasksChangeRow = TasksChangeWithTask | TasksChangeWithoutTask


class TasksCreateValues(NewTask):
    """The parameters of `tasks/create`."""

    id: UUID
    version: int
    sequence: int


class TasksDeleteValues(TypedDict):
    """The parameters of `tasks/delete`."""

    id: UUID
    wanted: str | None
    unwanted: str


class TasksDeleteRow(TypedDict):
    """A row of `tasks/delete`."""

    deleted: bool
    current_version: int


class TasksEraseValues(TypedDict):
    """The parameters of `tasks/erase`."""

    id: UUID


class TasksGetValues(TypedDict):
    """The parameters of `tasks/get`."""

    id: UUID


class TasksListValues(TypedDict):
    """The parameters of `tasks/list`."""

    completed: bool | None
    created_at: datetime
    id: UUID
    page_size: int
    skip: int


class _TasksList(TypedDict):
    """In each row of `tasks/list`."""

    sequence: int
    total: int


class TasksListWithTask(_TasksList, Task):
    """A row of `tasks/list`."""


class TasksListWithoutTask(_TasksList, NoTask):
    """A row of `tasks/list`."""


TasksListRow = TasksListWithTask | TasksListWithoutTask
