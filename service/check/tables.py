"""The rules for tables that the proof of a statement (see `proof`) relies on.

- A table is owned: `owner_id text NOT NULL` under a deterministic collation; or it is on the list
  GLOBAL.
- Every unique index and exclusion constraint of an owned table starts with owner_id, so that a
  duplicate is the owner's own.
- Every foreign key to or from an owned table starts with owner_id on both sides, so that
  references and cascades stay with one owner. None sets a default.
- No other code runs with a table: no trigger, rule or row security, no user-defined function in a
  constraint, default or index, no column of a user-defined type. No partitions and no inheritance:
  a plan may skip some of them at run time.
- Names are plain: they need no quotes, in a review and in the server's output.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from .allowed import TYPES
from .catalogue import (
    TEXT_EQUALS,
    Catalogue,
    Constraint,
    Expression,
    Table,
    TableColumn,
    Type,
)
from .findings import Fault
from .objects import opaque
from .trees import walk

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def faults(catalogue: Catalogue, used: Iterable[Table]) -> tuple[Fault, ...]:
    """Return the faults of tables in the schemas of the used and the global tables. Other schemas
    belong to other applications.
    """
    homes = {
        table.schema
        for table in (*used, *(table for table in catalogue.tables.values() if table.shared))
    }
    return tuple(fault for schemas, fault in _all(catalogue) if schemas & homes)


def _all(catalogue: Catalogue) -> Iterator[tuple[set[str], Fault]]:
    """Yield each fault, with the schemas that it concerns."""
    tables = catalogue.tables
    ours = {
        oid: table
        for oid, table in tables.items()
        if not (table.system or table.temporary or table.extension)
    }
    for table in ours.values():
        for fault in _table(table, catalogue.types):
            yield {table.schema}, fault
    for row in catalogue.constraints:
        sides = {tables[oid].schema for oid in (row.table_oid, row.referenced_oid) if oid in tables}
        for fault in _constraint(row, tables):
            yield sides, fault
    for expression in catalogue.expressions:
        if on := ours.get(expression.table_oid):
            for text in sorted(_opaque(expression, catalogue)):
                yield {on.schema}, _fault(on, "code", f"{expression.what}: {text}")
    for oid, what in catalogue.code:
        if on := ours.get(oid):
            why = f"{what} runs with it, and the proof cannot see what it reads: use none"
            yield {on.schema}, _fault(on, "code", why)


def _opaque(expression: Expression, catalogue: Catalogue) -> set[str]:
    nodes = walk(expression.tree)
    return {text for node in nodes for _, text in opaque(node, catalogue, own=True)}


def _fault(table: Table, rule: str, text: str) -> Fault:
    return Fault(table.name, f"{table.schema}.{table.name}", rule, text)


def _table(table: Table, types: Mapping[int, Type]) -> Iterator[Fault]:
    if table.kind != "r":
        return  # refused in the statement that reads it
    if table.inherits:
        yield _fault(
            table,
            "inheritance",
            "has partitions, parents or children: a plan can leave some out; use one plain table",
        )
    if table.row_security:
        yield _fault(
            table,
            "row-security",
            "row security shows each role other rows, so a proof would hold for one role only",
        )
    for name in (table.name, *(column.name for column in table.columns.values())):
        if not _PLAIN.fullmatch(name):
            yield _fault(
                table, "name", f"{name!r}: name it in a-z, 0-9 and _, so that it never needs quotes"
            )
    for column in table.columns.values():
        if not types[column.type_oid].within(TYPES):
            yield _fault(
                table,
                "type",
                f"{column.name} has the type {column.type}, not on the list of those that hold"
                " values only (service/check/allowed.py): use text and a CHECK",
            )
    if table.owner is None:
        if not table.shared:
            cure = (
                "give it `owner_id text NOT NULL` leading every key, or put it on the list in"
                " service/check/catalogue.py"
            )
            yield _fault(
                table, "owner-column", f"has no owner, and is not on the list of those: {cure}"
            )
        return
    yield from _owner(table, table.owner)


def _owner(table: Table, owner: TableColumn) -> Iterator[Fault]:
    if not table.owned:
        nullable = "" if owner.not_null else ", nullable"
        is_now = owner.type + nullable + ("" if owner.deterministic else ", ambiguous collation")
        is_now += ", generated" if owner.generated else ""
        yield _fault(
            table,
            "owner-column",
            "owner_id must be `text NOT NULL` under a deterministic collation, and not generated;"
            f" it is {is_now}",
        )
    for index in table.indexes:
        if index.unique and index.columns[:1] != (owner.number,):
            why = "a duplicate would reveal another owner's row"
            yield _fault(
                table, "key", f"the unique index {index.name} must start with owner_id: {why}"
            )
        elif index.unique and not index.sound:
            yield _fault(
                table,
                "key",
                f"the unique index {index.name} compares owner_id in a way of its own: use a plain"
                " B-tree",
            )


def _constraint(row: Constraint, tables: Mapping[int, Table]) -> Iterator[Fault]:
    table, referenced = tables.get(row.table_oid), tables.get(row.referenced_oid)
    if table is None or not (table.owner or (referenced and referenced.owner)):
        return
    here = (
        table.owner is not None
        and row.first_column == table.owner.number
        and row.first_operator == TEXT_EQUALS
    )
    there = referenced is None or (
        referenced.owner is not None and row.first_referenced == referenced.owner.number
    )
    if not here or not there:
        cure = (
            "start it with owner_id"
            if row.kind == "x"
            else "write FOREIGN KEY (owner_id, …) REFERENCES … (owner_id, …)"
        )
        yield _fault(
            table,
            "key",
            f"the constraint {row.name} ties rows of different owners together: {cure}",
        )
    elif row.sets_default:
        yield _fault(
            table,
            "key",
            f"the constraint {row.name} would set owner_id: use ON DELETE CASCADE or SET NULL"
            " (column)",
        )
