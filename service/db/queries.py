"""Running named statements: the only way to the database.

Every call names its statement. The owner is positional, of type OwnerId, and always `$1`; a
transaction has one owner for all its statements.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from ..owner import NOBODY, Nobody, OwnerId
from ..settings import DatabaseSettings
from .calls import Alone, Calls, Row, WrongRowCount, exactly_one, one_at_most, typed
from .connection import Connection
from .errors import QueryFailed
from .execution import Execution, touched
from .header import Rows
from .observed import Call, Observe
from .pool import Pool
from .retry import retried
from .statements import Statement
from .typed import QueriesCount, QueriesMany, QueriesMaybe, QueriesOne

__all__ = ["NOBODY", "Call", "Nobody", "Queries", "Row", "Transaction", "WrongRowCount"]

Result = TypeVar("Result")


class Queries:
    """Named statements on a pool.

    All four calls, and transactions, try again what may be tried again (see `retry`), within the
    request's deadline. They raise QueryFailed when the database does not answer or refuses, and
    TypeError, before anything reaches the server, for a call that does not fit the statement: its
    owner, its parameters, or its kind of answer. A KeyError is a name that has no file.
    """

    def __init__(
        self,
        statements: Mapping[str, Statement],
        pool: Pool,
        settings: DatabaseSettings,
        *,
        observe: Observe | None = None,
        written: Callable[[OwnerId], None] | None = None,
    ) -> None:
        """Run `statements` on `pool`.

        `settings` say how long to wait for a connection, and for a statement. `observe` is called
        with every try, `written` with the owner of every change that was committed, or may have
        been.
        """
        self._statements = statements
        self._execution = Execution(pool, settings, observe)
        self._pool = pool
        self._written = written

    @property
    def doubts(self) -> int:
        """How often so far the database was not there for a statement, or is known to have gone
        since.
        """
        return self._pool.doubts

    @property
    def misfits(self) -> int:
        """How often so far the server did not know a table or a column."""
        return self._execution.misfits

    @typed(QueriesOne)
    async def one(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> Row:
        """Return the row that must be there."""
        return exactly_one(name, await self._run(name, "one", owner, values))

    @typed(QueriesMaybe)
    async def maybe(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> Row | None:
        """Return the row, or None."""
        return one_at_most(name, await self._run(name, "maybe", owner, values))

    @typed(QueriesMany)
    async def many(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> list[Row]:
        """Return the rows, in the statement's order."""
        rows: list[Row] = await self._run(name, "many", owner, values)
        return rows

    @typed(QueriesCount)
    async def count(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> int:
        """Return the number of rows touched."""
        return touched(await self._run(name, "count", owner, values))

    def alone(self, owner: OwnerId) -> Calls:
        """Return the four calls for one owner, each statement a transaction by itself."""
        return Alone(self._run, owner)

    async def transaction(
        self,
        owner: OwnerId,
        work: Callable[["Transaction"], Awaitable[Result]],
        *,
        repeatable: bool = False,
    ) -> Result:
        """Run `work` between BEGIN and COMMIT, and return what it returns once that is committed.

        Whatever `work` raises rolls back and is raised on. Where nothing can have been committed
        the whole is tried again, so `work` must have no effect but its statements'. When COMMIT's
        answer was lost nobody knows: QueryFailed with `unknown`; unless the transaction is
        `repeatable`, which says that a second run finds out whether there was a first one.
        """
        try:
            return await self._transact(owner, work)
        except QueryFailed as error:
            return await retried(lambda: self._transact(owner, work), error, repeatable=repeatable)

    async def _run(
        self, name: str, kind: Rows, owner: OwnerId | Nobody, values: Mapping[str, object]
    ) -> Any:
        statement = self._statements[name]
        arguments = _arguments(statement, kind, owner, values)
        writer = owner if isinstance(owner, OwnerId) and not statement.reads else None
        try:
            try:
                answer = await self._execution.alone(statement, arguments)
            except QueryFailed as error:
                answer = await retried(
                    lambda: self._execution.alone(statement, arguments),
                    error,
                    repeatable=statement.header.repeatable_because is not None,
                )
        except BaseException as error:
            if writer is not None:
                self._tell(writer, error)
            raise
        if writer is not None:
            self._tell(writer)
        return answer

    def _tell(self, owner: OwnerId, error: BaseException | None = None) -> None:
        """Tell that something of the owner's was changed, unless the error says that nothing
        was.
        """
        nothing = isinstance(error, QueryFailed) and not error.unknown
        if self._written is not None and not nothing:
            self._written(owner)

    async def _transact(
        self, owner: OwnerId, work: Callable[["Transaction"], Awaitable[Result]]
    ) -> Result:
        connection = await self._execution.begin()
        transaction = Transaction(self._statements, self._execution, connection, owner)
        committing = False
        try:
            result = await work(transaction)
            committing = transaction.wrote
            await self._execution.commit(connection, writes=transaction.wrote)
        except BaseException as error:
            if committing:
                self._tell(owner, error)
            await self._execution.give_up(connection, error)  # which rolls back
            raise
        self._pool.release(connection)
        if transaction.wrote:
            self._tell(owner)
        return result


class Transaction(Calls):
    """The four calls, for one owner, between BEGIN and COMMIT: see `Queries.transaction`.

    A statement that fails ends the transaction; none of it is committed.
    """

    def __init__(
        self,
        statements: Mapping[str, Statement],
        execution: Execution,
        connection: Connection,
        owner: OwnerId,
    ) -> None:
        self._statements = statements
        self._execution = execution
        self._connection = connection
        self.owner = owner
        self.wrote = False
        """Whether a statement that writes was run."""

    def _run(self, name: str, kind: Rows, values: Mapping[str, object]) -> Awaitable[Any]:
        statement = self._statements[name]
        arguments = _arguments(statement, kind, self.owner, values)
        self.wrote |= not statement.reads
        return self._execution.inside(self._connection, statement, arguments)


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
