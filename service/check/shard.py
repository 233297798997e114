"""The rule that every owner's statement runs on its owner's shard alone.

With tables distributed by owner_id, an engine routes a statement to one shard if it can infer one
owner, and if the coordinator need not compute anything for each row. `proof` shows the first for
all reads. This module refuses the constructs that an engine refuses or splits, by PostgreSQL's
rewritten tree:

- INSERT is `INSERT … VALUES`, or `INSERT … SELECT` that takes owner_id from an owned table: with
  `$1` instead, the coordinator would route row by row. It is not in a CTE, has none, and has no
  sub-select among its values.
- ON CONFLICT sets IMMUTABLE values. An UPDATE calls nothing VOLATILE, and nothing STABLE on a
  column: the coordinator evaluates both before it routes the statement.
- A CTE that locks rows reads one table.

`objects` refuses MERGE, and owned tables together with tables without owner.
"""

from collections.abc import Iterable, Iterator

from ..db.statement import Statement
from .catalogue import Catalogue
from .findings import Fault
from .objects import functions_of
from .positions import where
from .scope import Command, From, Scope, scopes
from .trees import Node, walk

RULE = "shard"


def faults(statement: Statement, query: Node, catalogue: Catalogue) -> Iterator[Fault]:
    """Yield a fault for each construct that keeps the statement from one shard."""
    for scope in scopes(query):
        found: Iterable[tuple[Node, str]] = ()
        if scope.command == Command.INSERT:
            found = _insert(scope, catalogue)
        elif scope.command == Command.UPDATE:
            found = _update(scope, catalogue)
        elif scope.parent and scope.query.nodes("rowMarks"):
            found = _locking(scope)
        for node, text in found:
            yield Fault(statement.name, where(statement, node), RULE, text)


def _insert(scope: Scope, catalogue: Catalogue) -> Iterator[tuple[Node, str]]:
    query = scope.query
    if scope.parent:
        yield query, "an INSERT in a CTE goes to no shard: make it a statement of its own"
    if any(node.nodes("cteList") for node in walk(query) if node.kind == "QUERY"):
        yield query, "an INSERT with a CTE goes to no shard: read first, in a statement of its own"
    selects = [
        entry
        for entry in query.nodes("rtable")
        if entry.number("rtekind") == From.SUBQUERY and entry.node("subquery")
    ]
    if selects and not _from_an_owned_table(scope, catalogue):
        text = (
            "an INSERT … SELECT takes owner_id from an owned table's column, and this one does not:"
            " write VALUES, or select that column"
        )
        yield query, text
    values = [node for entry in query.nodes("rtable") for node in walk(entry.value("values_lists"))]
    values += [node for target in query.nodes("targetList") for node in walk(target)]
    conflict = query.node("onConflict")
    values += list(walk(conflict))
    for node in values:
        if node.kind == "SUBLINK":
            yield node, "a sub-select in an INSERT goes to no shard: read its value first"
    for node in walk(conflict.value("onConflictSet")) if conflict else ():
        names = [
            catalogue.functions[oid] for oid in functions_of(node) if oid in catalogue.functions
        ]
        if names or node.kind == "SQLVALUEFUNCTION":
            what = names[0] if names else "a value of the clock or the session"
            text = f"{what} is not IMMUTABLE: ON CONFLICT sets what parameters and EXCLUDED hold"
            yield node, text


def _from_an_owned_table(scope: Scope, catalogue: Catalogue) -> bool:
    """Return whether the new rows' owner_id is an owned table's owner_id, in each arm."""
    target = catalogue.tables.get(scope.entry(scope.query.number("resultRelation")).number("relid"))
    owner = target.owner if target else None
    ends = [
        end
        for entry in scope.query.nodes("targetList")
        if owner and entry.number("resno") == owner.number and (value := entry.node("expr"))
        for end in _ends(value, scope)
    ]
    return bool(ends) and all(_is_owner_column(end, place, catalogue) for end, place in ends)


def _ends(node: Node, scope: Scope) -> Iterator[tuple[Node, Scope]]:
    """Yield the expressions that a column resolves to in the end."""
    if node.kind == "VAR" and (origins := scope.origins(node)):
        for origin, place in origins:
            yield from _ends(origin, place)
    else:
        yield node, scope


def _is_owner_column(node: Node, scope: Scope, catalogue: Catalogue) -> bool:
    column = scope.table_column(node) if node.kind == "VAR" else None
    table = catalogue.tables.get(column[0]) if column else None
    owner = table.owner if table and table.owned else None
    return owner is not None and column is not None and column[1] == owner.number


def _update(scope: Scope, catalogue: Catalogue) -> Iterator[tuple[Node, str]]:
    tree = scope.query.node("jointree")
    expressions = [scope.query.value("targetList"), tree.value("quals") if tree else None]
    for node in walk(expressions, without="QUERY"):
        for oid in functions_of(node):
            if oid in catalogue.volatile:
                text = f"{catalogue.functions[oid]} is VOLATILE, in an UPDATE: pass its value in"
                yield node, text
            elif oid in catalogue.functions and any(
                inner.kind == "VAR" for inner in walk([*node.children], without="QUERY")
            ):
                text = (
                    f"{catalogue.functions[oid]} is STABLE, and here of a column in an UPDATE: work"
                    " it out in a CTE that selects"
                )
                yield node, text


def _locking(scope: Scope) -> Iterator[tuple[Node, str]]:
    tables = [
        entry
        for entry in walk(scope.query)
        if entry.kind == "RANGETBLENTRY" and entry.number("rtekind") == From.RELATION
    ]
    if len(tables) > 1:
        text = "a CTE that locks rows reads one table, and this one reads more: one CTE for each"
        yield scope.query, text
