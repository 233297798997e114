"""Running named statements: the only way to the database.

Every call names its statement and its owner. The owner is positional, of type OwnerId, and always
`$1`.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Literal, NamedTuple

import asyncpg

from ..owner import OwnerId
from ..settings import DatabaseSettings
from .deadline import in_doubt, within
from .errors import (
    CANCELLED,
    CONNECTION_FAILED,
    FAULTS,
    TOO_MANY,
    Diagnosis,
    QueryFailed,
    diagnose,
    may_connect_soon,
)
from .header import Rows
from .pool import Connection, Pool
from .retry import retried
from .statements import Statement

Row = asyncpg.Record
Run = Callable[..., Awaitable[Any]]


class Nobody(Enum):
    """In the owner's place of a statement that is `global`, so that leaving the owner out is never
    an accident.
    """

    NOBODY = "nobody"


NOBODY: Literal[Nobody.NOBODY] = Nobody.NOBODY


class WrongRowCount(Exception):
    """A statement kept less or more than its header's `one` or `maybe` promises: a bug in the
    statement.
    """


class Call(NamedTuple):
    """One try of one statement. The times are seconds of `time.perf_counter`."""

    name: str
    began: float
    """When a connection was asked for."""
    acquired: float
    """When it was had; where none was had, the same as `ended`."""
    ended: float
    rows: int
    """The rows of the answer, or those touched by a statement that has none; 0 for a try that
    failed.
    """
    sqlstate: str
    """Empty when it worked; 57014 when the caller was cancelled."""


Observe = Callable[[Call], None]


class Queries:
    """Named statements on a pool.

    All four calls try again what may be tried again (see `retry`), within the request's deadline.
    They raise QueryFailed when the database does not answer or refuses, and TypeError, before
    anything reaches the server, for a call that does not fit the statement: its owner, its
    parameters, or its kind of answer. A KeyError is a name that has no file.
    """

    def __init__(
        self,
        statements: Mapping[str, Statement],
        pool: Pool,
        settings: DatabaseSettings,
        *,
        observe: Observe | None = None,
    ) -> None:
        """`settings` say how long to wait for a connection, and for a statement. `observe` is told
        of every try.
        """
        self._statements = statements
        self._pool = pool
        self._acquire_timeout = settings.db_acquire_timeout
        self._statement_timeout = settings.db_statement_timeout
        self._observe = observe

    @property
    def doubts(self) -> int:
        """How often so far the database was not there for a statement, or is known to have gone
        since.
        """
        return self._pool.doubts

    async def one(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> Row:
        """The row that must be there."""
        rows: list[Row] = await self._run(name, "one", owner, values)
        if len(rows) != 1:
            raise WrongRowCount(f"{name}: {len(rows)} rows, promised one")
        return rows[0]

    async def maybe(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> Row | None:
        """The row, or None."""
        rows: list[Row] = await self._run(name, "maybe", owner, values)
        if len(rows) > 1:
            raise WrongRowCount(f"{name}: {len(rows)} rows, promised one at most")
        return rows[0] if rows else None

    async def many(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> list[Row]:
        """The rows, in the statement's order."""
        rows: list[Row] = await self._run(name, "many", owner, values)
        return rows

    async def count(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> int:
        """The number of rows touched."""
        return _touched(await self._run(name, "count", owner, values))

    async def _run(
        self, name: str, kind: Rows, owner: OwnerId | Nobody, values: Mapping[str, object]
    ) -> Any:
        statement = self._statements[name]
        arguments = _arguments(statement, kind, owner, values)
        try:
            return await self._try(statement, arguments)
        except QueryFailed as error:
            repeatable = statement.header.repeatable_because is not None
            return await retried(
                lambda: self._try(statement, arguments), error, repeatable=repeatable
            )

    async def _try(self, statement: Statement, arguments: list[object]) -> Any:
        if self._observe is None:
            return await self._answer(statement, await self._connection(statement), arguments)
        began, acquired, rows, sqlstate = time.perf_counter(), 0.0, 0, CANCELLED
        try:
            connection = await self._connection(statement)
            acquired = time.perf_counter()
            answer = await self._answer(statement, connection, arguments)
            rows, sqlstate = _touched(answer) if statement.rows == "count" else len(answer), ""
        except QueryFailed as error:
            sqlstate = error.sqlstate
            raise
        finally:
            ended = time.perf_counter()
            self._observe(Call(statement.name, began, acquired or ended, ended, rows, sqlstate))
        return answer

    async def _connection(self, statement: Statement) -> Connection:
        try:
            return await self._pool.acquire(within(self._acquire_timeout))
        except FAULTS as error:
            # Whatever the reason (no answer, a wrong password, a database that is not there): the
            # statement was never sent.
            sqlstate = TOO_MANY if isinstance(error, TimeoutError) else CONNECTION_FAILED
            note = (
                f"no connection: {type(error).__name__} {getattr(error, 'sqlstate', '')}".rstrip()
            )
            raise QueryFailed(
                statement.name, sqlstate, note=note, transient=may_connect_soon(error)
            ) from None

    async def _answer(
        self, statement: Statement, connection: Connection, arguments: list[object]
    ) -> Any:
        seconds = within(self._statement_timeout)
        if seconds <= 0:
            self._pool.release(connection)
            raise QueryFailed(statement.name, TOO_MANY, note="no time is left")
        run: Run = connection.execute if statement.rows == "count" else connection.fetch
        try:
            answer = await run(statement.text, *arguments, timeout=seconds)
        except FAULTS as error:
            found = diagnose(error)
            if found.stale:
                self._pool.expire(connection)
            if found.sqlstate == CANCELLED:
                self._pool.abandon(connection)
            else:
                self._pool.release(connection)
            raise _failed(statement, error, found) from None
        except BaseException:
            if not statement.reads:
                in_doubt(unknown=True)
            self._pool.abandon(connection)
            raise
        self._pool.release(connection)
        return answer


def _touched(status: str) -> int:
    """`DELETE 1` to 1."""
    return int(status.rpartition(" ")[2])


def _arguments(
    statement: Statement, kind: Rows, owner: OwnerId | Nobody, values: Mapping[str, object]
) -> list[object]:
    if statement.rows != kind:
        raise TypeError(f"{statement.name} returns {statement.rows}, called for {kind}")
    if statement.header.global_because is not None:
        if owner is not NOBODY:
            raise TypeError(f"{statement.name} is global: call it with NOBODY")
        return statement.arguments(None, values)
    if type(owner) is not OwnerId:
        raise TypeError(
            f"{statement.name}: the owner must be an OwnerId, not {type(owner).__name__}"
        )
    return statement.arguments(owner, values)


def _failed(statement: Statement, error: BaseException, found: Diagnosis) -> QueryFailed:
    """The driver's exception without what it says of values (hence raised `from None`)."""
    sqlstate, transient, unknown = (
        found.sqlstate,
        found.transient,
        found.lost and not statement.reads,
    )
    if not isinstance(error, asyncpg.PostgresError):
        return QueryFailed(
            statement.name,
            sqlstate,
            note=type(error).__name__,
            transient=transient,
            unknown=unknown,
        )
    where = statement.locate(int(error.position)) if error.position else ""
    # Class 42 is our own fault (a column that is not there, a missing grant), and its text names
    # things. One that has no place in the statement was found while running it, when the thing's
    # name can be a value: `:name::regclass`.
    told = sqlstate == "42501" or (where and sqlstate.startswith("42"))
    return QueryFailed(
        statement.name,
        sqlstate,
        where=where,
        constraint=error.constraint_name or "",
        note=(error.message or "") if told else "",
        transient=transient,
        unknown=unknown,
    )
