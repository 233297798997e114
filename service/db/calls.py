"""The four calls for one owner: in one transaction, or each statement in its own."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

import asyncpg

from ..owner import OwnerId
from .header import Rows
from .typed import CallsCount, CallsMany, CallsMaybe, CallsOne

Row = asyncpg.Record
Typed = TypeVar("Typed")


def typed(_: Callable[..., Typed]) -> Callable[[Callable[..., Awaitable[object]]], Typed]:
    """Give mypy a call's overloads, one for each statement. At run time nothing changes: rows stay
    the driver's records.
    """
    return lambda call: cast("Typed", call)


class Calls(ABC):
    """The interface of `Transaction` and `Alone`, for code that runs in either."""

    __slots__ = ()

    @typed(CallsOne)
    def one(self, name: str, /, **values: object) -> Awaitable[Row]:
        """Return the only row."""
        return self._run(name, "one", values)

    @typed(CallsMaybe)
    def maybe(self, name: str, /, **values: object) -> Awaitable[Row | None]:
        """Return the row, or None."""
        return self._run(name, "maybe", values)

    @typed(CallsMany)
    def many(self, name: str, /, **values: object) -> Awaitable[list[Row]]:
        """Return the rows, in the statement's order."""
        return self._run(name, "many", values)

    @typed(CallsCount)
    def count(self, name: str, /, **values: object) -> Awaitable[int]:
        """Return the number of rows affected."""
        return self._run(name, "count", values)

    @abstractmethod
    def _run(self, name: str, kind: Rows, values: Mapping[str, object]) -> Awaitable[Any]:
        """Run a statement, and return what a call of this kind returns."""


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
