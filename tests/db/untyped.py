"""Queries for statements in a test's own folder, which mypy does not know."""

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from service.db import queries
from service.db.pool import Pool
from service.db.queries import Row
from service.db.statements import load
from service.owner import Nobody, OwnerId
from service.settings import DatabaseSettings

Result = TypeVar("Result")


class Transaction(Protocol):
    """The four calls of a transaction, for any statement."""

    async def one(self, name: str, /, **values: object) -> Row: ...
    async def maybe(self, name: str, /, **values: object) -> Row | None: ...
    async def many(self, name: str, /, **values: object) -> list[Row]: ...
    async def count(self, name: str, /, **values: object) -> int: ...


class Queries(Protocol):
    """The four calls, and transactions, for any statement."""

    async def one(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> Row: ...
    async def maybe(
        self, name: str, owner: OwnerId | Nobody, /, **values: object
    ) -> Row | None: ...
    async def many(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> list[Row]: ...
    async def count(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> int: ...

    def transaction(
        self,
        owner: OwnerId,
        work: Callable[[Transaction], Awaitable[Result]],
        *,
        repeatable: bool = False,
    ) -> Coroutine[Any, Any, Result]: ...

    @property
    def doubts(self) -> int: ...


def queries_on(pool: Pool, folder: Path, settings: DatabaseSettings, **options: Any) -> Queries:
    """Queries that run the statements of the folder."""
    return cast("Queries", queries.Queries(load(folder), pool, settings, **options))
