"""The four calls for one owner: in one transaction, or each statement in its own."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar, cast

import asyncpg

from ..owner import OwnerId
from .execution import touched
from .header import Rows
from .typed import CallsCount, CallsMany, CallsMaybe, CallsOne

Row = asyncpg.Record
Typed = TypeVar("Typed")


class WrongRowCount(Exception):
    """The number of rows breaks the header's `one` or `maybe`: a bug in the statement."""


def typed(_: Callable[..., Typed]) -> Callable[[Callable[..., Coroutine[Any, Any, object]]], Typed]:
    """Give mypy a call's overloads, one for each statement. At run time nothing changes: rows stay
    the driver's records.
    """
    return lambda call: cast("Typed", call)


def exactly_one(name: str, rows: list[Row]) -> Row:
    """Return the only row. Raises WrongRowCount."""
    if len(rows) != 1:
        raise WrongRowCount(f"{name}: {len(rows)} rows, promised one")
    return rows[0]


def one_at_most(name: str, rows: list[Row]) -> Row | None:
    """Return the only row, or None without rows. Raises WrongRowCount."""
    if len(rows) > 1:
        raise WrongRowCount(f"{name}: {len(rows)} rows, promised one at most")
    return rows[0] if rows else None


class Calls(ABC):
    """The interface of `Transaction` and `Alone`, for code that runs in either."""

    __slots__ = ()

    @typed(CallsOne)
    async def one(self, name: str, /, **values: object) -> Row:
        """Return the only row."""
        return exactly_one(name, await self._run(name, "one", values))

    @typed(CallsMaybe)
    async def maybe(self, name: str, /, **values: object) -> Row | None:
        """Return the row, or None."""
        return one_at_most(name, await self._run(name, "maybe", values))

    @typed(CallsMany)
    async def many(self, name: str, /, **values: object) -> list[Row]:
        """Return the rows, in the statement's order."""
        rows: list[Row] = await self._run(name, "many", values)
        return rows

    @typed(CallsCount)
    async def count(self, name: str, /, **values: object) -> int:
        """Return the number of rows affected."""
        return touched(await self._run(name, "count", values))

    @abstractmethod
    def _run(self, name: str, kind: Rows, values: Mapping[str, object]) -> Awaitable[Any]:
        """Run a statement and return its rows, or the server's command tag."""


class Alone(Calls):
    """The four calls of `Queries` for one owner: see `Queries.alone`."""

    __slots__ = ("_owner", "_run_for")

    def __init__(
        self,
        run: Callable[[str, Rows, OwnerId, Mapping[str, object]], Awaitable[Any]],
        owner: OwnerId,
    ) -> None:
        self._run_for = run
        self._owner = owner

    def _run(self, name: str, kind: Rows, values: Mapping[str, object]) -> Awaitable[Any]:
        return self._run_for(name, kind, self._owner, values)
