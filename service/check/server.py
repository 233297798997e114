"""Asking the server what it makes of a statement, without running it.

Parsing gives the types of parameters and columns and the rewritten tree; planning gives the plan's
tree. Both trees come as LOG messages to this session. Each question is a read-only transaction of
its own, so that it works on a replica, and through a pooler that lends a server for one transaction
at a time.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from ..db.statements import Statement
from .findings import CheckError
from .trees import Node, Value, parse

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

REWRITTEN, PLAN = "rewritten parse tree:", "plan:"
# SQLSTATE classes of a server that can't answer just now
_TROUBLE = frozenset({"08", "25", "40", "53", "57", "58"})
UTILITY = 6  # CmdType of all but SELECT, UPDATE, INSERT, DELETE and MERGE


class Refused(Exception):
    """The server does not take the statement. `position` counts characters of its text from 1; 0 is
    nowhere.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class Column:
    """A result column, as the server describes it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """What parsing and rewriting tell. More than one query means that a rule added some."""

    queries: tuple[Node, ...]
    parameters: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def query(self) -> Node:
        """The statement itself."""
        return self.queries[0]


class Server:
    """A connection that is asked, and never made to execute a statement under check."""

    def __init__(self, connection: Connection, statements: Mapping[str, Statement]) -> None:
        self._connection = connection
        self._statements = statements
        self._log: list[tuple[str, str]] = []
        self._names = (f"check_{number}" for number in itertools.count())

    async def rows(self, name: str) -> list[asyncpg.Record]:
        """The rows of one of the check's own statements."""
        return await self._connection.fetch(self._statements[name].text)

    async def analyse(self, statement: Statement) -> Analysis:
        """Parse and rewrite. Raises Refused, and CheckError when the server keeps its tree to
        itself.
        """
        async with self._asking(planning=False):
            try:
                prepared = await self._connection.prepare(statement.text)
            except asyncpg.PostgresError as error:
                raise _refusal(error) from None
            parameters = tuple(kind.name for kind in prepared.get_parameters())
            columns = tuple(
                Column(attribute.name, attribute.type.name)
                for attribute in prepared.get_attributes()
            )
            tree = await self._logged(REWRITTEN)
        queries = tuple(_nodes(tree))
        if not queries:
            raise CheckError(f"{statement.name}: the server rewrote it to nothing")
        return Analysis(queries, parameters, columns)

    async def plan(self, statement: Statement) -> Node:
        """The plan's tree (PLANNEDSTMT), with the parameters unknown to the planner. Raises Refused
        and CheckError.

        The missing right to run the statement does not matter: it is asked for only after planning.
        """
        async with self._asking(planning=True):
            name, nulls = next(self._names), ", ".join("NULL" for _ in statement.parameters)
            arguments = f"({nulls})" if nulls else ""
            try:
                await self._connection.execute(f"PREPARE {name} AS\n{statement.text}")
                try:
                    with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                        # A savepoint: the next line must still work
                        async with self._connection.transaction():
                            await self._connection.execute(f"EXPLAIN EXECUTE {name}{arguments}")
                finally:
                    # No rollback would, and a pooler lends it on
                    await self._connection.execute(f"DEALLOCATE {name}")
            except asyncpg.PostgresError as error:
                raise _refusal(error) from None
            tree = await self._logged(PLAN)
        [plan] = _nodes(tree)
        return plan

    @contextlib.asynccontextmanager
    async def _asking(self, *, planning: bool) -> AsyncIterator[None]:
        """A read-only transaction, rolled back, in which the server shows its trees of the one
        kind.
        """
        transaction = self._connection.transaction(readonly=True)
        await transaction.start()
        try:
            await self._connection.fetch(self._statements["check/settings"].text, planning)
            await asyncio.sleep(0)
            self._log.clear()
            self._connection.add_log_listener(self._keep)
            yield
        finally:
            self._connection.remove_log_listener(self._keep)
            await transaction.rollback()

    def _keep(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        self._log.append((message.message or "", message.detail or ""))

    async def _logged(self, title: str) -> Value:
        """The first tree of that title: later ones are of what the driver or EXPLAIN asks
        itself.
        """
        await asyncio.sleep(0)  # the driver hands messages to the loop, not to us
        for message, detail in self._log:
            if message == title:
                return parse(detail)
        raise CheckError(
            f"the server did not show its {title.rstrip(':')}; does something between filter its"
            " messages?"
        )


def _refusal(error: asyncpg.PostgresError) -> Exception:
    """The statement's fault, or the server's: that one stays what it is."""
    if (error.sqlstate or "")[:2] in _TROUBLE:
        return error
    return Refused(error.message or type(error).__name__, int(error.position or 0))


def _nodes(tree: Value) -> Iterable[Node]:
    items = tree if isinstance(tree, list) else [tree]
    return (item for item in items if isinstance(item, Node))
