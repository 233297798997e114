"""The four calls, statement by statement. Made by `make index` from the headers in sql/."""

from typing import Literal, Never, Protocol, Unpack, overload

from ..owner import Nobody, OwnerId
from . import shapes


class QueriesOne(Protocol):
    """`one` of Queries."""

    @overload
    async def __call__(
        self, name: Literal["schema/ping"], owner: Literal[Nobody.NOBODY], /
    ) -> shapes.SchemaPingRow: ...

    @overload
    async def __call__(
        self, name: Literal["schema/server"], owner: Literal[Nobody.NOBODY], /
    ) -> shapes.SchemaServerRow: ...


class QueriesMaybe(Protocol):
    """`maybe` of Queries."""

    @overload
    async def __call__(
        self, name: Literal["keys/get"], owner: OwnerId, /, **values: Unpack[shapes.KeysGetValues]
    ) -> shapes.KeysGetRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["owners/get"], owner: OwnerId, /
    ) -> shapes.OwnersGetRow | None: ...

    @overload
    async def __call__(
        self,
        name: Literal["owners/lock_create"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.OwnersLockCreateValues],
    ) -> shapes.OwnersLockCreateRow | None: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/change"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksChangeValues],
    ) -> shapes.TasksChangeRow | None: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/create"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksCreateValues],
    ) -> shapes.Task | None: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/delete"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksDeleteValues],
    ) -> shapes.TasksDeleteRow | None: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/get"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksGetValues],
    ) -> shapes.Task | None: ...


class QueriesMany(Protocol):
    """`many` of Queries."""

    @overload
    async def __call__(
        self,
        name: Literal["changes/list"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.ChangesListValues],
    ) -> list[shapes.ChangesListRow]: ...

    @overload
    async def __call__(
        self, name: Literal["schema/applied"], owner: Literal[Nobody.NOBODY], /
    ) -> list[shapes.SchemaAppliedRow]: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/filter"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksFilterValues],
    ) -> list[shapes.TasksFilterRow]: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/list"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksListValues],
    ) -> list[shapes.TasksListRow]: ...

    @overload
    async def __call__(
        self,
        name: Literal["trash/list"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TrashListValues],
    ) -> list[shapes.TrashListRow]: ...


class QueriesCount(Protocol):
    """`count` of Queries."""

    @overload
    async def __call__(
        self,
        name: Literal["account/erase_keys"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.AccountEraseKeysValues],
    ) -> int: ...

    @overload
    async def __call__(self, name: Literal["account/erase_owner"], owner: OwnerId, /) -> int: ...

    @overload
    async def __call__(
        self,
        name: Literal["account/erase_tasks"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.AccountEraseTasksValues],
    ) -> int: ...

    @overload
    async def __call__(
        self,
        name: Literal["keys/claim"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.KeysClaimValues],
    ) -> int: ...

    @overload
    async def __call__(
        self,
        name: Literal["keys/keep"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.KeysKeepValues],
    ) -> int: ...

    @overload
    async def __call__(self, name: Literal["owners/sweep"], owner: OwnerId, /) -> int: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/erase"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksEraseValues],
    ) -> int: ...

    @overload
    async def __call__(
        self,
        name: Literal["trash/erase"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TrashEraseValues],
    ) -> int: ...

    @overload
    async def __call__(
        self,
        name: Literal["trash/restore"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TrashRestoreValues],
    ) -> int: ...


class CallsOne(Protocol):
    """`one` of calls for one owner."""

    async def __call__(self, name: Never, /) -> Never:
        """There is none."""


class CallsMaybe(Protocol):
    """`maybe` of calls for one owner."""

    @overload
    async def __call__(
        self, name: Literal["keys/get"], /, **values: Unpack[shapes.KeysGetValues]
    ) -> shapes.KeysGetRow | None: ...

    @overload
    async def __call__(self, name: Literal["owners/get"], /) -> shapes.OwnersGetRow | None: ...

    @overload
    async def __call__(
        self,
        name: Literal["owners/lock_create"],
        /,
        **values: Unpack[shapes.OwnersLockCreateValues],
    ) -> shapes.OwnersLockCreateRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/change"], /, **values: Unpack[shapes.TasksChangeValues]
    ) -> shapes.TasksChangeRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/create"], /, **values: Unpack[shapes.TasksCreateValues]
    ) -> shapes.Task | None: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/delete"], /, **values: Unpack[shapes.TasksDeleteValues]
    ) -> shapes.TasksDeleteRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/get"], /, **values: Unpack[shapes.TasksGetValues]
    ) -> shapes.Task | None: ...


class CallsMany(Protocol):
    """`many` of calls for one owner."""

    @overload
    async def __call__(
        self, name: Literal["changes/list"], /, **values: Unpack[shapes.ChangesListValues]
    ) -> list[shapes.ChangesListRow]: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/filter"], /, **values: Unpack[shapes.TasksFilterValues]
    ) -> list[shapes.TasksFilterRow]: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/list"], /, **values: Unpack[shapes.TasksListValues]
    ) -> list[shapes.TasksListRow]: ...

    @overload
    async def __call__(
        self, name: Literal["trash/list"], /, **values: Unpack[shapes.TrashListValues]
    ) -> list[shapes.TrashListRow]: ...


class CallsCount(Protocol):
    """`count` of calls for one owner."""

    @overload
    async def __call__(
        self,
        name: Literal["account/erase_keys"],
        /,
        **values: Unpack[shapes.AccountEraseKeysValues],
    ) -> int: ...

    @overload
    async def __call__(self, name: Literal["account/erase_owner"], /) -> int: ...

    @overload
    async def __call__(
        self,
        name: Literal["account/erase_tasks"],
        /,
        **values: Unpack[shapes.AccountEraseTasksValues],
    ) -> int: ...

    @overload
    async def __call__(
        self, name: Literal["keys/claim"], /, **values: Unpack[shapes.KeysClaimValues]
    ) -> int: ...

    @overload
    async def __call__(
        self, name: Literal["keys/keep"], /, **values: Unpack[shapes.KeysKeepValues]
    ) -> int: ...

    @overload
    async def __call__(self, name: Literal["owners/sweep"], /) -> int: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/erase"], /, **values: Unpack[shapes.TasksEraseValues]
    ) -> int: ...

    @overload
    async def __call__(
        self, name: Literal["trash/erase"], /, **values: Unpack[shapes.TrashEraseValues]
    ) -> int: ...

    @overload
    async def __call__(
        self, name: Literal["trash/restore"], /, **values: Unpack[shapes.TrashRestoreValues]
    ) -> int: ...
