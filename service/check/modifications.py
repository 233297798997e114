"""The rules for writes: new rows are the owner's, and no row changes its owner."""

from collections.abc import Iterator

from ..db.statement import Statement
from .catalogue import OWNER, Catalogue, Table
from .findings import Fault
from .positions import where
from .proof import is_owner_parameter
from .scope import Command, From, Scope, scopes
from .trees import Node, walk

ACL_INSERT, ACL_SELECT, ACL_UPDATE, ACL_DELETE = 1, 2, 4, 8
"""AclMode bits: the privileges that a statement needs."""
SCALAR = 4  # subLinkType of a sub-select used as a value


def faults(statement: Statement, query: Node, plan: Node, catalogue: Catalogue) -> Iterator[Fault]:
    """Yield a fault for each write that could touch or create another owner's row."""
    for scope in scopes(query):
        target = _target(scope, catalogue)
        if target is None or not target.owned:
            continue
        if scope.command == Command.INSERT:
            yield from _insert(statement, scope, target, catalogue)
        for assignment in _assignments(scope):
            if (
                target.owner
                and assignment.number("resno") == target.owner.number
                and assignment.text("resjunk") != "true"
            ):
                text = (
                    f"SET {OWNER} would give {target.name} away: rows never change hands; delete"
                    " and insert instead"
                )
                yield Fault(statement.name, where(statement, assignment), "set-owner", text)
    yield from _arbiters(statement, plan, catalogue)


def _insert(
    statement: Statement, scope: Scope, target: Table, catalogue: Catalogue
) -> Iterator[Fault]:
    assert target.owner is not None
    values = [
        entry
        for entry in scope.query.nodes("targetList")
        if entry.number("resno") == target.owner.number
    ]
    expressions = [expression for entry in values if (expression := entry.node("expr"))]
    if not expressions:
        text = (
            f"a new row of {target.name} without {OWNER}: name it in the column list and give it"
            f" :{OWNER}"
        )
        yield Fault(statement.name, where(statement), "insert-owner", text)
    for expression in expressions:
        if not _is_owner(expression, scope, catalogue, frozenset()):
            text = (
                f"a new row's {OWNER} in {target.name} must be :{OWNER} itself, not computed or"
                " taken from elsewhere"
            )
            yield Fault(statement.name, where(statement, expression), "insert-owner", text)


def _is_owner(expression: Node, scope: Scope, catalogue: Catalogue, seen: frozenset[Node]) -> bool:
    """Return whether it is `$1`, or a column that the proof shows to equal it: an owned table's
    owner_id, through any number of sub-selects.
    """
    if (
        expression.kind == "SUBLINK"
        and expression.number("subLinkType") == SCALAR
        and (inner := expression.node("subselect"))
    ):
        return all(
            _is_owner(node, place, catalogue, seen)
            for node, place in Scope(inner, scope).outputs(1)
        )
    if expression.kind != "VAR":
        return is_owner_parameter(expression)
    if expression in seen:
        return True  # a recursive query: its other arm decides
    if (column := scope.table_column(expression)) is not None:
        table = catalogue.tables.get(column[0])
        return (
            table is not None
            and table.owned
            and table.owner is not None
            and table.owner.number == column[1]
        )
    origins = scope.origins(expression)
    return bool(origins) and all(
        _is_owner(node, place, catalogue, seen | {expression}) for node, place in origins or ()
    )


def _assignments(scope: Scope) -> Iterator[Node]:
    if scope.command == Command.UPDATE:
        yield from scope.query.nodes("targetList")
    if conflict := scope.query.node("onConflict"):
        yield from conflict.nodes("onConflictSet")


def _arbiters(statement: Statement, plan: Node, catalogue: Catalogue) -> Iterator[Fault]:
    for node in walk(plan):
        if node.kind != "MODIFYTABLE":
            continue
        for oid in node.numbers("arbiterIndexes"):
            found = catalogue.index(oid)
            owner = found[0].owner if found else None
            if found and found[0].owned and (owner is None or owner.number not in found[1].columns):
                text = (
                    f"the conflict is looked for in {found[1].name}, across owners: name a unique"
                    f" key that contains {OWNER}"
                )
                yield Fault(statement.name, where(statement), "upsert", text)


def rights(query: Node) -> Iterator[Node]:
    """Yield the privileges that the executor checks: nodes with relid, requiredPerms and columns.

    Those of this query, without its sub-queries. They are the range table entries up to PostgreSQL
    15, a list of their own since 16.
    """
    field = "rteperminfos" if query.has("rteperminfos") else "rtable"
    for node in query.nodes(field):
        if node.has("relid") and node.has("requiredPerms") and node.number("requiredPerms"):
            yield node


def _target(scope: Scope, catalogue: Catalogue) -> Table | None:
    number = scope.query.number("resultRelation")
    if not number:
        return None
    entry = scope.entry(number)
    return (
        catalogue.tables.get(entry.number("relid"))
        if entry.number("rtekind") == From.RELATION
        else None
    )
