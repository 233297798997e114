"""The least privileges that every statement needs.

They are read from the rewritten trees, which list what the executor checks: for each table the
privileges, and for each privilege the columns.
"""

from collections.abc import Iterable, Iterator

from ..db.requirements import quoted
from .catalogue import Catalogue, Table
from .modifications import ACL_DELETE, ACL_INSERT, ACL_SELECT, ACL_UPDATE, rights
from .scope import scopes
from .trees import Node

NOT_FOR_THE_SERVICE = frozenset({"check", "migrate"})
"""Folders of statements that the check and the migrations run, not the service."""

# Column sets start at the system columns: 7 is the whole row, 8 is column 1
_FIRST_COLUMN = 7
_COLUMNS = {ACL_SELECT: "selectedCols", ACL_INSERT: "insertedCols", ACL_UPDATE: "updatedCols"}
_NAMES = {ACL_SELECT: "SELECT", ACL_INSERT: "INSERT", ACL_UPDATE: "UPDATE", ACL_DELETE: "DELETE"}


def used(query: Node, catalogue: Catalogue) -> dict[str, set[str]]:
    """Return the tables that the statement uses, each with the privileges it needs."""
    found: dict[str, set[str]] = {}
    for node in (node for scope in scopes(query) for node in rights(scope.query)):
        table = catalogue.tables.get(node.number("relid"))
        if table is not None and not table.system:
            found.setdefault(table.name, set()).update(
                name for bit, name in _NAMES.items() if node.number("requiredPerms") & bit
            )
    return found


def grants(role: str, queries: Iterable[Node], catalogue: Catalogue) -> Iterator[str]:
    """Yield the GRANT statements for a role that may run these queries and nothing else."""
    wanted: dict[int, dict[int, set[int]]] = {}
    for node in (
        node for query in queries for scope in scopes(query) for node in rights(scope.query)
    ):
        table = catalogue.tables.get(node.number("relid"))
        if table is None or table.system:
            continue
        for bit in _NAMES:
            if node.number("requiredPerms") & bit:
                columns = (
                    {number - _FIRST_COLUMN for number in node.numbers(_COLUMNS[bit])}
                    if bit in _COLUMNS
                    else set()
                )
                wanted.setdefault(table.oid, {}).setdefault(bit, set()).update(columns)
    who = quoted(role)
    for schema in sorted({catalogue.tables[oid].schema for oid in wanted}):
        yield f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {who};"
    for table in sorted(
        (catalogue.tables[oid] for oid in wanted), key=lambda table: (table.schema, table.name)
    ):
        kinds = [
            _right(table, bit, columns)
            for bit, columns in sorted(wanted[table.oid].items(), reverse=False)
        ]
        yield f"GRANT {', '.join(kinds)} ON {quoted(table.schema)}.{quoted(table.name)} TO {who};"


def _right(table: Table, bit: int, columns: set[int]) -> str:
    if bit in (ACL_DELETE, ACL_INSERT) or 0 in columns:
        # A whole-row reference includes the columns of later migrations: grants by column would
        # fail in a running build once one is added. And a distributed engine also writes the
        # defaults of the columns that an INSERT omits.
        return _NAMES[bit]
    columns = {number for number in columns if number > 0}
    if not columns:
        # Any column is enough: count(*) needs SELECT on one, FOR UPDATE needs UPDATE on one.
        keys = {number for index in table.indexes if index.unique for number in index.columns}
        columns = (
            {table.owner.number}
            if bit == ACL_SELECT and table.owner
            else {max(set(table.columns) - keys, default=1)}
        )
    names = ", ".join(table.columns[number].name for number in sorted(columns))
    return f"{_NAMES[bit]} ({names})"
