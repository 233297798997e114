"""Resolve column references in a query tree, through sub-selects, CTEs, VALUES, joins and set
operations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Union

from .trees import Node, TreeError, walk


class Command(IntEnum):
    """CmdType: the kind of a statement."""

    SELECT = 1
    UPDATE = 2
    INSERT = 3
    DELETE = 4


class From(IntEnum):
    """RTEKind: the kind of a range table entry."""

    RELATION = 0
    SUBQUERY = 1
    JOIN = 2
    FUNCTION = 3
    VALUES = 5
    CTE = 6
    RESULT = 8
    GROUP = 9


LEFT, FULL, RIGHT = 1, 2, 3  # JoinType


@dataclass(frozen=True, slots=True)
class Scope:
    """A query and the queries around it."""

    query: Node
    parent: Union["Scope", None] = None

    @property
    def command(self) -> int:
        """A Command."""
        return self.query.number("commandType")

    @property
    def sources(self) -> list[Node]:
        """Return the items of FROM: references to entries, and joins of them."""
        tree = self.query.node("jointree")
        return tree.nodes("fromlist") if tree else []

    @property
    def condition(self) -> Node | None:
        """WHERE."""
        tree = self.query.node("jointree")
        return tree.node("quals") if tree else None

    def entry(self, index: int) -> Node:
        """Return the range table entry with this number, counted from 1."""
        return self.query.nodes("rtable")[index - 1]

    def outer(self, levels: int) -> "Scope":
        """Return the scope so many levels further out. Raises TreeError if there is none."""
        scope: Scope = self
        for _ in range(levels):
            if scope.parent is None:
                raise TreeError("a reference to a level that is not there")
            scope = scope.parent
        return scope

    def cte(self, entry: Node) -> "Scope":
        """Return the query of the CTE that an entry names. Raises TreeError if there is none."""
        around = self.outer(entry.number("ctelevelsup"))
        for candidate in around.query.nodes("cteList"):
            query = candidate.node("ctequery")
            if candidate.text("ctename") == entry.text("ctename") and query is not None:
                return Scope(query, around)
        raise TreeError(f"no CTE {entry.text('ctename')}")

    def subquery(self, entry: Node) -> "Scope":
        """Return the query of a sub-select in FROM. Raises TreeError if it has none."""
        query = entry.node("subquery")
        if query is None:
            raise TreeError("a sub-select without a query")
        return Scope(query, self)

    def outputs(self, number: int) -> list[tuple[Node, "Scope"]]:
        """Return the expressions of an output column, one for each arm of a set operation."""
        if operation := self.query.node("setOperations"):
            arms = [
                self.subquery(self.entry(leaf.number("rtindex")))
                for leaf in walk(operation)
                if leaf.kind == "RANGETBLREF"
            ]
            return [output for arm in arms for output in arm.outputs(number)]
        targets = self.query.nodes(
            "targetList" if self.command == Command.SELECT else "returningList"
        )
        expressions = [
            target.node("expr") for target in targets if target.number("resno") == number
        ]
        return [(expression, self) for expression in expressions if expression is not None]

    def origins(self, var: Node) -> list[tuple[Node, "Scope"]] | None:
        """Return the expressions that a VAR refers to, each in its scope; None for a table's
        column, or if unknown.
        """
        scope, number = self.outer(var.number("varlevelsup")), var.number("varattno")
        entry = scope.entry(var.number("varno"))
        if number < 1:
            return None
        match entry.number("rtekind"):
            case From.SUBQUERY:
                return scope.subquery(entry).outputs(number)
            case From.CTE:
                return scope.cte(entry).outputs(number)
            case From.VALUES:
                rows = entry.value("values_lists")
                assert isinstance(rows, list)
                columns = [row[number - 1] for row in rows if isinstance(row, list)]
                return [(column, scope) for column in columns if isinstance(column, Node)]
            case From.JOIN | From.GROUP as kind:
                items = entry.value("joinaliasvars" if kind == From.JOIN else "groupexprs")
                item = items[number - 1] if isinstance(items, list) else None
                return [(item, scope)] if isinstance(item, Node) else None
            case _:
                return None

    def table_column(self, var: Node) -> tuple[int, int] | None:
        """Return the table's OID and the column's number, if the VAR is a table's column."""
        scope = self.outer(var.number("varlevelsup"))
        entry = scope.entry(var.number("varno"))
        if entry.number("rtekind") != From.RELATION:
            return None
        return entry.number("relid"), var.number("varattno")


def conjuncts(condition: Node | None) -> Iterator[Node]:
    """Yield the top-level AND terms of a condition."""
    if condition is None:
        return
    if condition.kind == "BOOLEXPR" and condition.text("boolop") == "and":
        for part in condition.nodes("args"):
            yield from conjuncts(part)
    else:
        yield condition


def scopes(query: Node, parent: Scope | None = None) -> Iterator[Scope]:
    """Yield the query and all queries within it."""
    scope = Scope(query, parent)
    yield scope
    for inner in _directly_below(query):
        yield from scopes(inner, scope)


def _directly_below(query: Node) -> Iterator[Node]:
    stack = [*query.children]
    while stack:
        node = stack.pop()
        if node.kind == "QUERY":
            yield node
        else:
            stack += node.children
