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
        self,
        name: Literal["tasks/put"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksPutValues],
    ) -> shapes.TasksPutRow: ...


class QueriesMaybe(Protocol):
    """`maybe` of Queries."""

    @overload
    async def __call__(
        self, name: Literal["owners/get"], owner: OwnerId, /
    ) -> shapes.OwnersGetRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["owners/usage"], owner: OwnerId, /
    ) -> shapes.OwnersUsageRow | None: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/create"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksCreateValues],
    ) -> shapes.TasksCreateRow | None: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/create_once"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksCreateOnceValues],
    ) -> shapes.TasksCreateOnceRow | None: ...

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
    ) -> shapes.TasksGetRow | None: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/patch"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksPatchValues],
    ) -> shapes.TasksPatchRow | None: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/patch_once"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksPatchOnceValues],
    ) -> shapes.TasksPatchOnceRow | None: ...


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
        name: Literal["tasks/list"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksListValues],
    ) -> list[shapes.TasksListRow]: ...

    @overload
    async def __call__(
        self,
        name: Literal["tasks/list_after"],
        owner: OwnerId,
        /,
        **values: Unpack[shapes.TasksListAfterValues],
    ) -> list[shapes.TasksListAfterRow]: ...


class QueriesCount(Protocol):
    """`count` of Queries."""

    async def __call__(self, name: Never, /) -> Never:
        """There is none."""


class CallsOne(Protocol):
    """`one` of calls for one owner."""

    async def __call__(
        self, name: Literal["tasks/put"], /, **values: Unpack[shapes.TasksPutValues]
    ) -> shapes.TasksPutRow:
        """Run the only one there is."""


class CallsMaybe(Protocol):
    """`maybe` of calls for one owner."""

    @overload
    async def __call__(self, name: Literal["owners/get"], /) -> shapes.OwnersGetRow | None: ...

    @overload
    async def __call__(self, name: Literal["owners/usage"], /) -> shapes.OwnersUsageRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/create"], /, **values: Unpack[shapes.TasksCreateValues]
    ) -> shapes.TasksCreateRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/create_once"], /, **values: Unpack[shapes.TasksCreateOnceValues]
    ) -> shapes.TasksCreateOnceRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/delete"], /, **values: Unpack[shapes.TasksDeleteValues]
    ) -> shapes.TasksDeleteRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/get"], /, **values: Unpack[shapes.TasksGetValues]
    ) -> shapes.TasksGetRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/patch"], /, **values: Unpack[shapes.TasksPatchValues]
    ) -> shapes.TasksPatchRow | None: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/patch_once"], /, **values: Unpack[shapes.TasksPatchOnceValues]
    ) -> shapes.TasksPatchOnceRow | None: ...


class CallsMany(Protocol):
    """`many` of calls for one owner."""

    @overload
    async def __call__(
        self, name: Literal["changes/list"], /, **values: Unpack[shapes.ChangesListValues]
    ) -> list[shapes.ChangesListRow]: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/list"], /, **values: Unpack[shapes.TasksListValues]
    ) -> list[shapes.TasksListRow]: ...

    @overload
    async def __call__(
        self, name: Literal["tasks/list_after"], /, **values: Unpack[shapes.TasksListAfterValues]
    ) -> list[shapes.TasksListAfterRow]: ...


class CallsCount(Protocol):
    """`count` of calls for one owner."""

    async def __call__(self, name: Never, /) -> Never:
        """There is none."""
