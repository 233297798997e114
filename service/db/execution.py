"""Run one statement on one connection, and classify its failure."""

import asyncio
import time
from typing import Any

import asyncpg

from ..owner import Nobody, OwnerId
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
from .statement import Statement

BEGIN, COMMIT = "BEGIN", "COMMIT"


NO_SUCH = frozenset({"3F000", "42P01", "42703"})
"""SQLSTATEs of a missing schema, table or column."""


class Execution:
    """Runs statements on a pool's connections within the request's deadline; reports each try."""

    def __init__(self, pool: Pool, settings: DatabaseSettings, observe: Observe | None) -> None:
        self.pool = pool
        self.misfits = 0
        """How often a schema, table or column was missing: the database's schema is another one."""
        self._acquire_timeout = settings.db_acquire_timeout
        self._statement_timeout = settings.db_statement_timeout
        self._observe = observe or unobserved

    async def alone(
        self, owner: OwnerId | Nobody, statement: Statement, arguments: list[object]
    ) -> Any:
        """Run a statement of an owner in autocommit. Raises QueryFailed."""
        name, began, acquired = statement.name, time.perf_counter(), 0.0
        try:
            connection = self.pool.take() or await self._acquire(owner, name)
            acquired = time.perf_counter()
            try:
                run = connection.execute if statement.counts else connection.fetch
                answer: Any = await run(statement.text, *arguments, timeout=self._time_for(name))
            except BaseException as error:  # noqa: BLE001 - re-raised
                raise await self._gave_up(connection, statement, error) from None
            self.pool.release(connection)
        except BaseException as error:
            self._failed(name, began, acquired, error)
            raise
        rows = _touched(answer) if statement.counts else len(answer)
        self._observe(Call(name, began, acquired, time.perf_counter(), rows, ""))
        return statement.result(answer, rows)

    async def begin(self, owner: OwnerId) -> Connection:
        """Begin a transaction of an owner and return its connection. Give it back with `give_up`,
        or, after `commit`, to the pool. Raises QueryFailed.
        """
        began, acquired = time.perf_counter(), 0.0
        try:
            connection = self.pool.take() or await self._acquire(owner, BEGIN)
            acquired = time.perf_counter()
            try:
                await connection.execute(BEGIN, timeout=self._time_for(BEGIN))
            except BaseException as error:  # noqa: BLE001 - re-raised
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
        """Run a statement on a transaction's connection.

        Raises QueryFailed: then nothing of the transaction is ever committed.
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
        rows = _touched(answer) if statement.counts else len(answer)
        self._observe(Call(name, began, began, time.perf_counter(), rows, ""))
        return statement.result(answer, rows)

    async def commit(self, connection: Connection, *, writes: bool) -> None:
        """Commit a transaction. Raises QueryFailed, `unknown` if it `writes` and no reply came."""
        began = time.perf_counter()
        try:
            tag = await connection.execute(COMMIT, timeout=self._time_for(COMMIT))
            if tag != COMMIT:  # a statement had failed: ROLLBACK
                raise QueryFailed(COMMIT, ABORTED, note=f"the server answered {tag}")
        except BaseException as error:  # noqa: BLE001 - which is raised on
            failed = await self._failed_command(connection, COMMIT, error, writes=writes)
            if writes and not isinstance(failed, QueryFailed):  # the caller was cancelled
                in_doubt(unknown=True)
            self._failed(COMMIT, began, began, failed)
            raise failed from None
        self._observe(Call(COMMIT, began, began, time.perf_counter(), 0, ""))

    async def give_up(self, connection: Connection, error: BaseException) -> None:
        """Give back a connection that failed with `error` within a statement or a transaction.

        If a statement timed out and the server does not even cancel it, the connection is lost, and
        another try may work.
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

    async def _acquire(self, owner: OwnerId | Nobody, name: str) -> Connection:
        try:
            return await self.pool.acquire(within(self._acquire_timeout), owner)
        except FAULTS as error:
            # Whatever the reason (timeout, wrong password, no such database): nothing was sent.
            sqlstate = TOO_MANY if isinstance(error, TimeoutError) else CONNECTION_FAILED
            sqlstate_seen = getattr(error, "sqlstate", "")
            note = f"no connection: {type(error).__name__} {sqlstate_seen}".rstrip()
            transient = may_connect_soon(error)
            raise QueryFailed(name, sqlstate, note=note, transient=transient) from None

    async def _failed_command(
        self, connection: Connection, command: str, error: BaseException, *, writes: bool = False
    ) -> BaseException:
        """Return the failure of a BEGIN or COMMIT, or the exception that ended it."""
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
        """Give back the connection of a failed statement; return the failure, or the exception that
        ended it.
        """
        if isinstance(error, QueryFailed):  # no time was left to run it
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


def _touched(status: str) -> int:
    """Return the number of rows of a command tag: 1 for `DELETE 1`."""
    return int(status.rpartition(" ")[2])


def _query_failed(statement: Statement, error: BaseException, found: Diagnosis) -> QueryFailed:
    """Return the driver's error without values (hence raised `from None`)."""
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
    # Class 42 is our own bug (a missing column or grant), and its message has names alone. Without
    # a position it was raised at run time, where a name can be a value: `:name::regclass`.
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
