"""The four calls for one owner: in a transaction, or each statement a transaction by itself."""

from typing import Protocol

from ..owner import OwnerId
from .queries import Queries, Row


class Calls(Protocol):
    """What `Transaction` and `Alone` have in common, for code that runs in either."""

    async def one(self, name: str, /, **values: object) -> Row:
        """Return the row that must be there."""
        ...

    async def maybe(self, name: str, /, **values: object) -> Row | None:
        """Return the row, or None."""
        ...

    async def many(self, name: str, /, **values: object) -> list[Row]:
        """Return the rows, in the statement's order."""
        ...

    async def count(self, name: str, /, **values: object) -> int:
        """Return the number of rows touched."""
        ...


class Alone:
    """The four calls of `Queries` for one owner: each statement is a transaction by itself."""

    def __init__(self, queries: Queries, owner: OwnerId) -> None:
        self._queries = queries
        self._owner = owner

    async def one(self, name: str, /, **values: object) -> Row:
        """Return the row that must be there."""
        return await self._queries.one(name, self._owner, **values)

    async def maybe(self, name: str, /, **values: object) -> Row | None:
        """Return the row, or None."""
        return await self._queries.maybe(name, self._owner, **values)

    async def many(self, name: str, /, **values: object) -> list[Row]:
        """Return the rows, in the statement's order."""
        return await self._queries.many(name, self._owner, **values)

    async def count(self, name: str, /, **values: object) -> int:
        """Return the number of rows touched."""
        return await self._queries.count(name, self._owner, **values)
