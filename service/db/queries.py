"""Run named statements: the only access to the database.

Every call names its statement. The owner is positional, of type OwnerId, and always `$1`; a
transaction has one owner for all its statements.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from ..owner import NOBODY, Nobody, OwnerId
from ..settings import DatabaseSettings
from .calls import Alone, Calls, Row, typed
from .connection import Connection
from .errors import QueryFailed
from .execution import Execution
from .header import Rows
from .observed import Call, Observe
from .pool import Pool
from .retry import retried
from .statement import Statement, WrongRowCount
from .typed import QueriesCount, QueriesMany, QueriesMaybe, QueriesOne

__all__ = ["NOBODY", "Call", "Nobody", "Queries", "Row", "Transaction", "WrongRowCount"]

Result = TypeVar("Result")


class Queries:
    """Named statements on a pool.

    The four calls, and transactions, retry safe failures (see `retry`) within the request's
    deadline. They raise QueryFailed if the database does not answer or refuses; TypeError, before
    sending anything, for a call that does not fit the statement's owner, parameters or `returns`;
    KeyError for an unknown name.
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

        `settings` has the timeouts for a connection and for a statement. `observe` is called with
        every try, `written` with the owner of every change that was, or may have been, committed.
        """
        self._statements = statements
        self._execution = Execution(pool, settings, observe)
        self._pool = pool
        self._written = written

    @property
    def doubts(self) -> int:
        """Return how often the database was unreachable, or a connection to it was lost."""
        return self._pool.doubts

    @property
    def misfits(self) -> int:
        """Return how often the server did not know a table or a column."""
        return self._execution.misfits

    @typed(QueriesOne)
    def one(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> Awaitable[Row]:
        """Return the only row."""
        return self._run(name, "one", owner, values)

    @typed(QueriesMaybe)
    def maybe(
        self, name: str, owner: OwnerId | Nobody, /, **values: object
    ) -> Awaitable[Row | None]:
        """Return the row, or None."""
        return self._run(name, "maybe", owner, values)

    @typed(QueriesMany)
    def many(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> Awaitable[list[Row]]:
        """Return the rows, in the statement's order."""
        return self._run(name, "many", owner, values)

    @typed(QueriesCount)
    def count(self, name: str, owner: OwnerId | Nobody, /, **values: object) -> Awaitable[int]:
        """Return the number of rows affected."""
        return self._run(name, "count", owner, values)

    def alone(self, owner: OwnerId) -> Calls:
        """Return the four calls for one owner, each in its own transaction."""
        return Alone(self._run, owner)

    async def transaction(
        self,
        owner: OwnerId,
        work: Callable[["Transaction"], Awaitable[Result]],
        *,
        repeatable: bool = False,
    ) -> Result:
        """Run `work` between BEGIN and COMMIT, and return its result once committed.

        An exception of `work` rolls back and is re-raised. If nothing can have been committed, the
        transaction is retried, so `work` must have no other effects than its statements. If
        COMMIT's reply was lost, this raises QueryFailed with `unknown`; unless the transaction is
        `repeatable`: a second run detects the first.
        """
        try:
            return await self._transact(owner, work)
        except QueryFailed as error:
            return await retried(lambda: self._transact(owner, work), error, repeatable=repeatable)

    async def _run(
        self, name: str, kind: Rows, owner: OwnerId | Nobody, values: Mapping[str, object]
    ) -> Any:
        statement = self._statements[name]
        arguments = statement.arguments(kind, owner, values)
        writer = owner if isinstance(owner, OwnerId) and not statement.reads else None
        try:
            try:
                answer = await self._execution.alone(owner, statement, arguments)
            except QueryFailed as error:
                answer = await retried(
                    lambda: self._execution.alone(owner, statement, arguments),
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
        """Report a change of the owner's, unless the error means that nothing was changed."""
        nothing = isinstance(error, QueryFailed) and not error.unknown
        if self._written is not None and not nothing:
            self._written(owner)

    async def _transact(
        self, owner: OwnerId, work: Callable[["Transaction"], Awaitable[Result]]
    ) -> Result:
        connection = await self._execution.begin(owner)
        transaction = Transaction(self._statements, self._execution, connection, owner)
        committing = False
        try:
            result = await work(transaction)
            committing = transaction.wrote
            await self._execution.commit(connection, writes=transaction.wrote)
        except BaseException as error:
            if committing:
                self._tell(owner, error)
            await self._execution.give_up(connection, error)  # rolls back
            raise
        self._pool.release(connection)
        if transaction.wrote:
            self._tell(owner)
        return result


class Transaction(Calls):
    """The four calls for one owner between BEGIN and COMMIT: see `Queries.transaction`.

    A failed statement ends the transaction: nothing of it is committed.
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
        """Whether a writing statement was run."""

    def _run(self, name: str, kind: Rows, values: Mapping[str, object]) -> Awaitable[Any]:
        statement = self._statements[name]
        arguments = statement.arguments(kind, self.owner, values)
        self.wrote |= not statement.reads
        return self._execution.inside(self._connection, statement, arguments)
