"""Running one statement on one connection, and what its failure means."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

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
from .observed import Call, Observe, unobserved
from .pool import SETTLE_TIMEOUT, Pool
from .statements import Statement

Run = Callable[..., Awaitable[Any]]

BEGIN, COMMIT = "BEGIN", "COMMIT"


NO_SUCH = frozenset({"3F000", "42P01", "42703"})
"""SQLSTATE of a schema, table or column that is not there."""


class Execution:
    """Statements on connections of a pool, within the request's deadline, each try observed."""

    def __init__(self, pool: Pool, settings: DatabaseSettings, observe: Observe | None) -> None:
        self.pool = pool
        self.misfits = 0
        """How often the server did not know a table or a column: the schema is another one."""
        self._acquire_timeout = settings.db_acquire_timeout
        self._statement_timeout = settings.db_statement_timeout
        self._observe = observe or unobserved

    async def alone(self, statement: Statement, arguments: list[object]) -> Any:
        """Run a statement by itself, in autocommit, on a connection of the pool."""
        began, acquired, pool = time.perf_counter(), 0.0, self.pool
        try:
            connection = pool.take() or await self._acquire(statement.name)
            acquired = time.perf_counter()
            answer = await self._alone_on(connection, statement, arguments)
        except BaseException as error:
            self._failed(statement.name, began, acquired, error)
            raise
        self._worked(statement.name, began, acquired, answered(statement, answer))
        return answer

    async def begin(self) -> Connection:
        """Return a connection of the pool in a transaction, to be given back by `give_up`, or after
        `commit` to the pool.
        """
        began, acquired = time.perf_counter(), 0.0
        try:
            connection = self.pool.take() or await self._acquire(BEGIN)
            acquired = time.perf_counter()
            try:
                await self._command(connection, BEGIN)
            except BaseException as error:
                await self.give_up(connection, error)
                raise
        except BaseException as error:
            self._failed(BEGIN, began, acquired, error)
            raise
        self._worked(BEGIN, began, acquired, 0)
        return connection

    async def inside(
        self, connection: Connection, statement: Statement, arguments: list[object]
    ) -> Any:
        """Run a statement of a transaction on the transaction's connection.

        Raises QueryFailed: then nothing of the transaction is or will be committed.
        """
        began = time.perf_counter()
        try:
            answer = await _run(connection, statement)(
                statement.text, *arguments, timeout=self._time_for(statement.name)
            )
        except FAULTS as error:
            found = await self._diagnosed(connection, error)
            failed = _failed(statement, error, found._replace(lost=False))
            self._failed(statement.name, began, began, failed)
            raise failed from None
        except BaseException as error:
            self._failed(statement.name, began, began, error)
            raise
        self._worked(statement.name, began, began, answered(statement, answer))
        return answer

    async def commit(self, connection: Connection, *, writes: bool) -> None:
        """Commit a transaction. `writes`: an answer that is lost leaves it unknown."""
        began = time.perf_counter()
        try:
            await self._command(connection, COMMIT, writes=writes)
        except BaseException as error:
            if writes and not isinstance(error, QueryFailed):  # the caller was cancelled
                in_doubt(unknown=True)
            self._failed(COMMIT, began, began, error)
            raise
        self._worked(COMMIT, began, began, 0)

    async def give_up(self, connection: Connection, error: BaseException) -> None:
        """Give back a connection in the middle of a statement or a transaction, because of `error`.

        When a statement has timed out, and then the server does not even let go of it, it is the
        connection that is lost: another try may work.
        """
        settled = self.pool.abandon(connection)
        if isinstance(error, QueryFailed) and error.timed_out:
            in_doubt(error.unknown)
            await asyncio.wait({settled}, timeout=max(within(SETTLE_TIMEOUT), 0))
            error.transient |= settled.done() and not settled.result()

    def _worked(self, name: str, began: float, acquired: float, rows: int) -> None:
        self._observe(Call(name, began, acquired, time.perf_counter(), rows, ""))

    def _failed(self, name: str, began: float, acquired: float, error: BaseException) -> None:
        sqlstate = error.sqlstate if isinstance(error, QueryFailed) else CANCELLED
        ended = time.perf_counter()
        self._observe(Call(name, began, acquired or ended, ended, 0, sqlstate))

    async def _acquire(self, name: str) -> Connection:
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

    async def _command(self, connection: Connection, command: str, *, writes: bool = False) -> None:
        try:
            tag = await connection.execute(command, timeout=self._time_for(command))
        except FAULTS as error:
            found = await self._diagnosed(connection, error)
            raise QueryFailed(
                command,
                found.sqlstate,
                note=type(error).__name__,
                transient=found.transient,
                unknown=found.lost and writes,
                timed_out=isinstance(error, TimeoutError),
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
        if found.sqlstate in NO_SUCH:
            self.misfits += 1
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
            failed = _failed(statement, error, found)
            if found.sqlstate == CANCELLED:
                await self.give_up(connection, failed)
            else:
                self.pool.release(connection)
            raise failed from None
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
        return QueryFailed(
            statement.name,
            sqlstate,
            note=type(error).__name__,
            transient=transient,
            unknown=unknown,
            timed_out=isinstance(error, TimeoutError),
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
