"""Let the server parse and plan a statement, without running it.

Parsing gives the types of parameters and columns and the rewritten tree; planning gives the plan's
tree. Both trees arrive as LOG messages. Each analysis is a read-only transaction of its own, so
that it works on a replica, and through a pooler in transaction mode.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from ..db.statement import Statement
from .findings import CheckError
from .trees import Node, Value, parse

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

REWRITTEN, PLAN = "rewritten parse tree:", "plan:"
# SQLSTATE classes of a server that can't answer just now
_TROUBLE = frozenset({"08", "25", "40", "53", "57", "58"})
PATIENCE = "idle_in_transaction_session_timeout"
UTILITY = 6  # CmdType of all but SELECT, UPDATE, INSERT, DELETE and MERGE


class Refused(Exception):
    """The server refuses the statement. `position` counts characters from 1, 0 is none. `unseen`:
    a table does not exist, or the role may not see it.
    """

    def __init__(self, error: asyncpg.PostgresError) -> None:
        super().__init__(error.message or type(error).__name__)
        self.position = int(error.position or 0)
        self.unseen = isinstance(
            error, asyncpg.UndefinedTableError | asyncpg.InsufficientPrivilegeError
        )


@dataclass(frozen=True, slots=True)
class Column:
    """A result column, as the server describes it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """The results of parsing and rewriting. More than one query means that a rule added some."""

    queries: tuple[Node, ...]
    parameters: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def query(self) -> Node:
        """The tree of the statement itself."""
        return self.queries[0]


class Server:
    """A connection that parses and plans the checked statements, and never runs them."""

    def __init__(self, connection: Connection, statements: Mapping[str, Statement]) -> None:
        self._connection = connection
        self._statements = statements
        self._log: list[asyncpg.PostgresLogMessage] = []
        self._names = (f"check_{number}" for number in itertools.count())

    async def rows(self, name: str) -> list[asyncpg.Record]:
        """Run one of the check's own statements and return its rows."""
        return await self._connection.fetch(self._statements[name].text)

    async def analyse(self, statement: Statement) -> Analysis:
        """Parse and rewrite a statement. Raises Refused, and CheckError if no tree arrives."""
        async with self._transaction():
            try:
                # Twice: the driver looks up types that are new to it with statements of its own.
                await self._connection.prepare(statement.text)
                await self._show(planning=False)
                prepared = await self._connection.prepare(statement.text)
            except asyncpg.PostgresError as error:
                raise _refusal(error) from None
            queries = tuple(_nodes(await self._shown(REWRITTEN, statement)))
        if not queries:
            raise CheckError(f"{statement.name}: the server rewrote it to nothing")
        return Analysis(
            queries,
            tuple(kind.name for kind in prepared.get_parameters()),
            tuple(
                Column(attribute.name, attribute.type.name)
                for attribute in prepared.get_attributes()
            ),
        )

    async def plan(self, statement: Statement) -> Node:
        """Return the tree of the generic plan (PLANNEDSTMT). Raises Refused and CheckError.

        It needs no privilege on the tables: the server checks these after planning.
        """
        name, nulls = next(self._names), ", ".join("NULL" for _ in statement.parameters)
        explain = f"EXPLAIN EXECUTE {name}({nulls})" if nulls else f"EXPLAIN EXECUTE {name}"
        async with self._transaction():
            await self._show(planning=True)
            try:
                await self._connection.execute(f"PREPARE {name} AS\n{statement.text}")
                try:
                    await self._connection.execute(f"SAVEPOINT planned; {explain}")
                except asyncpg.InsufficientPrivilegeError:
                    await self._connection.execute("ROLLBACK TO planned")
                except asyncpg.PostgresError:
                    await self._connection.execute("ROLLBACK TO planned")
                    raise
                finally:
                    # A rollback does not deallocate, and a pooler reuses the session
                    await self._connection.execute(f"DEALLOCATE {name}")
            except asyncpg.PostgresError as error:
                raise _refusal(error) from None
            [plan] = _nodes(await self._shown(PLAN, statement))
        return plan

    @contextlib.asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """Run in a read-only transaction, or in a savepoint of the current one, and roll it back.

        Parsing trees within it takes longer than some roles may idle in a transaction.
        """
        begin, end = "BEGIN READ ONLY", "ROLLBACK"
        if self._connection.is_in_transaction():
            begin, end = "SAVEPOINT asking", "ROLLBACK TO asking; RELEASE asking"
        await self._connection.execute(f"{begin}; SET LOCAL {PATIENCE} = 0")
        self._connection.add_log_listener(self._keep)
        try:
            yield
        finally:
            self._connection.remove_log_listener(self._keep)
            await self._connection.execute(end)

    async def _show(self, *, planning: bool) -> None:
        """Make the server print the trees of one kind until the transaction ends."""
        await self._connection.fetch(self._statements["check/settings"].text, planning)
        await asyncio.sleep(0)  # the driver delivers messages through the loop
        self._log.clear()

    def _keep(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        self._log.append(message)

    async def _shown(self, title: str, statement: Statement) -> Value:
        """Return the statement's own tree with this title; `proof` argues why it is no other."""
        await asyncio.sleep(0)
        own = [entry for entry in self._log if entry.message == title and not entry.context]
        match own:
            case [entry]:
                return parse(entry.detail or "")
            case []:
                raise CheckError(
                    f"the server did not show its {title.rstrip(':')}; does something between"
                    " filter its messages?"
                )
        raise CheckError(
            f"{statement.name}: the server showed {len(own)} trees as its {title.rstrip(':')}"
        )


def _refusal(error: asyncpg.PostgresError) -> Exception:
    """Return Refused for an error of the statement, or the error itself if it is the server's."""
    if (error.sqlstate or "")[:2] in _TROUBLE:
        return error
    return Refused(error)


def _nodes(tree: Value) -> Iterable[Node]:
    items = tree if isinstance(tree, list) else [tree]
    return (item for item in items if isinstance(item, Node))
