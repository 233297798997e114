"""What statements take and return. Made by `make index` from the headers in sql/."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID


class NewTask(TypedDict):
    """The shape `NewTask`."""

    title: str
    description: str | None
    completed: bool
    priority: str
    tags: list[str]
    due_at: datetime | None
    due_all_day: bool
    time_zone: str | None
    recurrence: str | None
    position: float | None


class Task(NewTask):
    """The shape `Task`."""

    id: UUID
    owner_id: str
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


class Change(Task):
    """The shape `Change`."""

    sequence: int
    deleted: bool


class Versions(TypedDict):
    """The shape `Versions`."""

    wanted: str | None
    unwanted: str


class Used(TypedDict):
    """The shape `Used`."""

    used_tasks: int
    used_bytes: int


class Limits(TypedDict):
    """The shape `Limits`."""

    max_tasks: int | None
    max_bytes: int | None


class KeptAnswer(TypedDict):
    """The shape `KeptAnswer`."""

    status: int
    headers: str
    body: str


class Placed(Task):
    """The shape `Placed`."""

    rank: int
    number: float
    letters: str


class Trashed(Task):
    """The shape `Trashed`."""

    sequence: int
    deleted_at: datetime


class NoChange(TypedDict):
    """In place of the columns of a `Change` that is not there."""

    sequence: None
    deleted: None
    id: None
    owner_id: None
    title: None
    description: None
    completed: None
    priority: None
    tags: None
    due_at: None
    due_all_day: None
    time_zone: None
    recurrence: None
    position: None
    completed_at: None
    created_at: None
    updated_at: None
    version: None


class NoKeptAnswer(TypedDict):
    """In place of the columns of a `KeptAnswer` that is not there."""

    status: None
    headers: None
    body: None


class NoPlaced(TypedDict):
    """In place of the columns of a `Placed` that is not there."""

    rank: None
    number: None
    letters: None
    id: None
    owner_id: None
    title: None
    description: None
    completed: None
    priority: None
    tags: None
    due_at: None
    due_all_day: None
    time_zone: None
    recurrence: None
    position: None
    completed_at: None
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
    priority: None
    tags: None
    due_at: None
    due_all_day: None
    time_zone: None
    recurrence: None
    position: None
    completed_at: None
    created_at: None
    updated_at: None
    version: None


class NoTrashed(TypedDict):
    """In place of the columns of a `Trashed` that is not there."""

    sequence: None
    deleted_at: None
    id: None
    owner_id: None
    title: None
    description: None
    completed: None
    priority: None
    tags: None
    due_at: None
    due_all_day: None
    time_zone: None
    recurrence: None
    position: None
    completed_at: None
    created_at: None
    updated_at: None
    version: None


class NoUsed(TypedDict):
    """In place of the columns of a `Used` that is not there."""

    used_tasks: None
    used_bytes: None


class AccountEraseKeysValues(TypedDict):
    """The parameters of `account/erase_keys`."""

    at_most: int


class AccountEraseTasksValues(TypedDict):
    """The parameters of `account/erase_tasks`."""

    at_most: int


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


class _KeysGet(TypedDict):
    """In each row of `keys/get`."""

    fingerprint: bytes


class KeysGetWithKeptAnswer(_KeysGet, KeptAnswer):
    """A row of `keys/get`."""


class KeysGetWithoutKeptAnswer(_KeysGet, NoKeptAnswer):
    """A row of `keys/get`."""


KeysGetRow = KeysGetWithKeptAnswer | KeysGetWithoutKeptAnswer


class KeysKeepValues(KeptAnswer):
    """The parameters of `keys/keep`."""

    key: str


class OwnersGetRow(TypedDict):
    """A row of `owners/get`."""

    sequence: int
    tasks: int
    bytes: int


class OwnersLockCreateValues(Limits):
    """The parameters of `owners/lock_create`."""

    open: int
    completed: int
    bytes: int


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


class SchemaServerRow(TypedDict):
    """A row of `schema/server`."""

    version: int
    encoding: str
    folds: bool
    role: str
    database: str
    home: str | None
    creates: bool
    denied: str | None


class TasksChangeValues(Versions):
    """The parameters of `tasks/change`."""

    id: UUID
    patch: str
    max_bytes: int | None


class _TasksChange(TypedDict):
    """In each row of `tasks/change`."""

    current_version: int


class TasksChangeWithUsedWithTask(_TasksChange, Used, Task):
    """A row of `tasks/change`."""


class TasksChangeWithUsedWithoutTask(_TasksChange, Used, NoTask):
    """A row of `tasks/change`."""


class TasksChangeWithoutUsedWithTask(_TasksChange, NoUsed, Task):
    """A row of `tasks/change`."""


class TasksChangeWithoutUsedWithoutTask(_TasksChange, NoUsed, NoTask):
    """A row of `tasks/change`."""


TasksChangeRow = (
    TasksChangeWithUsedWithTask
    | TasksChangeWithUsedWithoutTask
    | TasksChangeWithoutUsedWithTask
    | TasksChangeWithoutUsedWithoutTask
)


class TasksCreateValues(NewTask):
    """The parameters of `tasks/create`."""

    id: UUID
    size: int
    version: int
    sequence: int


class TasksDeleteValues(Versions):
    """The parameters of `tasks/delete`."""

    id: UUID


class TasksDeleteRow(TypedDict):
    """A row of `tasks/delete`."""

    deleted: bool
    current_version: int


class TasksEraseValues(TypedDict):
    """The parameters of `tasks/erase`."""

    id: UUID


class TasksFilterValues(TypedDict):
    """The parameters of `tasks/filter`."""

    completed: bool | None
    priority: str | None
    tag: str | None
    due_after: datetime | None
    due_before: datetime | None
    words: list[str] | None
    sort: str
    rank: int
    number: float
    letters: str
    id: UUID
    page_size: int
    skip: int


class _TasksFilter(TypedDict):
    """In each row of `tasks/filter`."""

    sequence: int
    total: int


class TasksFilterWithPlaced(_TasksFilter, Placed):
    """A row of `tasks/filter`."""


class TasksFilterWithoutPlaced(_TasksFilter, NoPlaced):
    """A row of `tasks/filter`."""


TasksFilterRow = TasksFilterWithPlaced | TasksFilterWithoutPlaced


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


class TrashEraseValues(TypedDict):
    """The parameters of `trash/erase`."""

    ids: list[UUID]


class TrashListValues(TypedDict):
    """The parameters of `trash/list`."""

    before: int
    page_size: int


class _TrashList(TypedDict):
    """In each row of `trash/list`."""

    total: int


class TrashListWithTrashed(_TrashList, Trashed):
    """A row of `trash/list`."""


class TrashListWithoutTrashed(_TrashList, NoTrashed):
    """A row of `trash/list`."""


TrashListRow = TrashListWithTrashed | TrashListWithoutTrashed


class TrashRestoreValues(TypedDict):
    """The parameters of `trash/restore`."""

    id: UUID
