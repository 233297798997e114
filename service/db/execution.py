"""Running one statement on one connection, and what its failure means."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import asyncpg

from ..settings import DatabaseSettings
from .connection import Connection
from .deadline import in_doubt, within
from .errors import (
    ABORTED,
    CANCELLED,
    CONNECTION_FAILED,
    FAULTS,
    TOO_MANY,
    Diagnosis,
    QueryFailed,
    diagnose,
    may_connect_soon,
)
from .pool import Pool
from .statements import Statement

Run = Callable[..., Awaitable[Any]]

BEGIN, COMMIT = "BEGIN", "COMMIT"


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


class Execution:
    """Statements on connections of a pool, within the request's deadline, each try observed."""

    def __init__(self, pool: Pool, settings: DatabaseSettings, observe: Observe | None) -> None:
        self.pool = pool
        self._acquire_timeout = settings.db_acquire_timeout
        self._statement_timeout = settings.db_statement_timeout
        self._observe = observe

    async def acquire(self, name: str) -> Connection:
        """Return a connection for the statement or transaction of that name. Raises QueryFailed."""
        try:
            return await self.pool.acquire(within(self._acquire_timeout))
        except FAULTS as error:
            # Whatever the reason (no answer, a wrong password, a database that is not there): the
            # statement was never sent.
            sqlstate = TOO_MANY if isinstance(error, TimeoutError) else CONNECTION_FAILED
            sqlstate_seen = getattr(error, "sqlstate", "")
            note = f"no connection: {type(error).__name__} {sqlstate_seen}".rstrip()
            transient = may_connect_soon(error)
            raise QueryFailed(name, sqlstate, note=note, transient=transient) from None

    async def alone(self, statement: Statement, arguments: list[object]) -> Any:
        """Run a statement by itself, in autocommit, on a connection of the pool."""
        if self._observe is None:
            connection = await self.acquire(statement.name)
            return await self._alone_on(connection, statement, arguments)
        began, acquired, rows, sqlstate = time.perf_counter(), 0.0, 0, CANCELLED
        try:
            connection = await self.acquire(statement.name)
            acquired = time.perf_counter()
            answer = await self._alone_on(connection, statement, arguments)
            rows, sqlstate = answered(statement, answer), ""
        except QueryFailed as error:
            sqlstate = error.sqlstate
            raise
        finally:
            ended = time.perf_counter()
            self._observe(Call(statement.name, began, acquired or ended, ended, rows, sqlstate))
        return answer

    async def inside(
        self, connection: Connection, statement: Statement, arguments: list[object]
    ) -> Any:
        """Run a statement of a transaction on the transaction's connection.

        Raises QueryFailed: then nothing of the transaction is or will be committed.
        """
        began, rows, sqlstate = time.perf_counter(), 0, CANCELLED
        try:
            answer = await _run(connection, statement)(
                statement.text, *arguments, timeout=self._time_for(statement.name)
            )
            rows, sqlstate = answered(statement, answer), ""
        except FAULTS as error:
            found = await self._diagnosed(connection, error)
            sqlstate = found.sqlstate
            raise _failed(statement, error, found._replace(lost=False)) from None
        finally:
            if self._observe is not None:
                ended = time.perf_counter()
                self._observe(Call(statement.name, began, began, ended, rows, sqlstate))
        return answer

    async def command(self, connection: Connection, command: str, *, writes: bool = False) -> None:
        """Begin or commit a transaction. `writes`: an answer that is lost leaves it unknown."""
        seconds = self._time_for(command)
        try:
            tag = await connection.execute(command, timeout=seconds)
        except FAULTS as error:
            found = await self._diagnosed(connection, error)
            raise QueryFailed(
                command,
                found.sqlstate,
                note=type(error).__name__,
                transient=found.transient,
                unknown=found.lost and writes,
            ) from None
        if tag != command:  # COMMIT of a transaction in which a statement failed
            raise QueryFailed(command, ABORTED, note=f"the server answered {tag}")

    def _time_for(self, name: str) -> float:
        seconds = within(self._statement_timeout)
        if seconds <= 0:
            raise QueryFailed(name, TOO_MANY, note="no time is left")
        return seconds

    async def _diagnosed(self, connection: Connection, error: BaseException) -> Diagnosis:
        found = diagnose(error)
        if found.stale:
            await self.pool.expire(connection)
        return found

    async def _alone_on(
        self, connection: Connection, statement: Statement, arguments: list[object]
    ) -> Any:
        try:
            seconds = self._time_for(statement.name)
        except QueryFailed:
            self.pool.release(connection)
            raise
        try:
            answer = await _run(connection, statement)(statement.text, *arguments, timeout=seconds)
        except FAULTS as error:
            found = await self._diagnosed(connection, error)
            if found.sqlstate == CANCELLED:
                self.pool.abandon(connection)
            else:
                self.pool.release(connection)
            raise _failed(statement, error, found) from None
        except BaseException:
            if not statement.reads:
                in_doubt(unknown=True)
            self.pool.abandon(connection)
            raise
        self.pool.release(connection)
        return answer


def _run(connection: Connection, statement: Statement) -> Run:
    return connection.execute if statement.rows == "count" else connection.fetch


def answered(statement: Statement, answer: Any) -> int:
    """Return how many rows an answer has, or were touched by a statement that has none."""
    return touched(answer) if statement.rows == "count" else len(answer)


def touched(status: str) -> int:
    """Return 1 for `DELETE 1`."""
    return int(status.rpartition(" ")[2])


def _failed(statement: Statement, error: BaseException, found: Diagnosis) -> QueryFailed:
    """Return the driver's exception without what it says of values (hence raised `from None`)."""
    sqlstate, transient, unknown = (
        found.sqlstate,
        found.transient,
        found.lost and not statement.reads,
    )
    if not isinstance(error, asyncpg.PostgresError):
        note = type(error).__name__
        return QueryFailed(
            statement.name, sqlstate, note=note, transient=transient, unknown=unknown
        )
    where = statement.locate(int(error.position)) if error.position else ""
    # Class 42 is our own fault (a column that is not there, a missing grant), and its text names
    # things. One that has no place in the statement was found while running it, when the thing's
    # name can be a value: `:name::regclass`.
    named = sqlstate == "42501" or (where and sqlstate.startswith("42"))
    return QueryFailed(
        statement.name,
        sqlstate,
        where=where,
        constraint=error.constraint_name or "",
        note=(error.message or "") if named else "",
        transient=transient,
        unknown=unknown,
    )
