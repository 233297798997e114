"""Running one statement on one connection, and what its failure means."""

import asyncio
import time
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
        name, began, acquired = statement.name, time.perf_counter(), 0.0
        try:
            connection = self.pool.take() or await self._acquire(name)
            acquired = time.perf_counter()
            try:
                run = connection.execute if statement.counts else connection.fetch
                answer: Any = await run(statement.text, *arguments, timeout=self._time_for(name))
            except BaseException as error:  # noqa: BLE001 - which is raised on
                raise await self._gave_up(connection, statement, error) from None
            self.pool.release(connection)
        except BaseException as error:
            self._failed(name, began, acquired, error)
            raise
        rows = touched(answer) if statement.counts else len(answer)
        self._observe(Call(name, began, acquired, time.perf_counter(), rows, ""))
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
                await connection.execute(BEGIN, timeout=self._time_for(BEGIN))
            except BaseException as error:  # noqa: BLE001 - which is raised on
                failed = await self._failed_command(connection, BEGIN, error)
                await self.give_up(connection, failed)
                raise failed from None
        except BaseException as error:
            self._failed(BEGIN, began, acquired, error)
            raise
        self._observe(Call(BEGIN, began, acquired, time.perf_counter(), 0, ""))
        return connection

    async def inside(
        self, connection: Connection, statement: Statement, arguments: list[object]
    ) -> Any:
        """Run a statement of a transaction on the transaction's connection.

        Raises QueryFailed: then nothing of the transaction is or will be committed.
        """
        name, began = statement.name, time.perf_counter()
        try:
            run = connection.execute if statement.counts else connection.fetch
            answer: Any = await run(statement.text, *arguments, timeout=self._time_for(name))
        except BaseException as error:  # noqa: BLE001 - which is raised on
            failed = error
            if isinstance(error, FAULTS):
                found = await self._diagnosed(connection, error)
                failed = _query_failed(statement, error, found._replace(lost=False))
            self._failed(name, began, began, failed)
            raise failed from None
        rows = touched(answer) if statement.counts else len(answer)
        self._observe(Call(name, began, began, time.perf_counter(), rows, ""))
        return answer

    async def commit(self, connection: Connection, *, writes: bool) -> None:
        """Commit a transaction. `writes`: an answer that is lost leaves it unknown."""
        began = time.perf_counter()
        try:
            tag = await connection.execute(COMMIT, timeout=self._time_for(COMMIT))
            if tag != COMMIT:  # of a transaction in which a statement failed
                raise QueryFailed(COMMIT, ABORTED, note=f"the server answered {tag}")
        except BaseException as error:  # noqa: BLE001 - which is raised on
            failed = await self._failed_command(connection, COMMIT, error, writes=writes)
            if writes and not isinstance(failed, QueryFailed):  # the caller was cancelled
                in_doubt(unknown=True)
            self._failed(COMMIT, began, began, failed)
            raise failed from None
        self._observe(Call(COMMIT, began, began, time.perf_counter(), 0, ""))

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

    async def _failed_command(
        self, connection: Connection, command: str, error: BaseException, *, writes: bool = False
    ) -> BaseException:
        """Return the failure of a BEGIN or COMMIT, or what else has ended it."""
        if not isinstance(error, FAULTS):
            return error
        found = await self._diagnosed(connection, error)
        return QueryFailed(
            command,
            found.sqlstate,
            note=type(error).__name__,
            transient=found.transient,
            unknown=found.lost and writes,
            timed_out=isinstance(error, TimeoutError),
        )

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

    async def _gave_up(
        self, connection: Connection, statement: Statement, error: BaseException
    ) -> BaseException:
        """Give back the connection on which a statement has not answered; return its failure, or
        what else has ended it.
        """
        if isinstance(error, QueryFailed):  # there was no time to run it
            self.pool.release(connection)
            return error
        if not isinstance(error, FAULTS):
            if not statement.reads:
                in_doubt(unknown=True)
            self.pool.abandon(connection)
            return error
        found = await self._diagnosed(connection, error)
        failed = _query_failed(statement, error, found)
        if found.sqlstate == CANCELLED:
            await self.give_up(connection, failed)
        else:
            self.pool.release(connection)
        return failed


def touched(status: str) -> int:
    """Return 1 for `DELETE 1`."""
    return int(status.rpartition(" ")[2])


def _query_failed(statement: Statement, error: BaseException, found: Diagnosis) -> QueryFailed:
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
