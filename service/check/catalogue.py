"""What the database says of its tables, and whether they are built so that owners stay apart.

The rules here are the ones that the proof of a statement (see `proof`) leans on:

- A table is owned: `owner_id text NOT NULL` under a deterministic collation; or it is on the list
  GLOBAL.
- Every unique index and exclusion constraint of an owned table starts with owner_id, so that a
  duplicate is the owner's own.
- Every foreign key to or from an owned table starts with owner_id on both sides, so that
  references, and what cascades
  along them, stay with one owner; none sets a default.
- Nothing else runs with a table: no trigger, rule or row security, no function of somebody's below
  a constraint, default or
  index, no column of somebody's type. No partitions and no inheritance: a plan may leave some of
  them out at run time.
- Names are plain, so that a name is always itself, in a review as in the server's own output.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import asyncpg

from .findings import Fault
from .server import Server

OWNER = "owner_id"
FIRST_OF_OURS = 16384
"""Object identifiers below are PostgreSQL's own, made by initdb."""
TEXT = 25
TEXT_EQUALS = 98
"""The operator text = text."""

GLOBAL = frozenset(
    {"_yoyo_log", "_yoyo_migration", "_yoyo_version", "migration_checksums", "yoyo_lock"}
)
"""The tables that belong to nobody: about the schema, never about what somebody did."""

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table."""

    number: int
    name: str
    type: str
    type_oid: int
    not_null: bool
    deterministic: bool


@dataclass(frozen=True, slots=True)
class Index:
    """An index; `columns` are the table's column numbers in its order, 0 for an expression."""

    oid: int
    name: str
    unique: bool
    usable: bool
    partial: bool
    columns: tuple[int, ...]
    sound: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table or anything else that can stand in its place."""

    oid: int
    schema: str
    name: str
    kind: str
    temporary: bool
    row_security: bool
    inherits: bool
    extension: bool
    """Made by an extension, which has rules of its own."""
    analysed: bool = False
    """The planner has seen how many rows there are, and for how many owners."""
    columns: dict[int, TableColumn] = field(default_factory=dict)
    indexes: list[Index] = field(default_factory=list)

    @property
    def system(self) -> bool:
        """Whether it is PostgreSQL's own."""
        return self.oid < FIRST_OF_OURS

    @property
    def owner(self) -> TableColumn | None:
        """The column that says whose a row is."""
        return next((column for column in self.columns.values() if column.name == OWNER), None)

    @property
    def owned(self) -> bool:
        """Whether each row belongs to somebody."""
        owner = self.owner
        return (
            owner is not None and owner.not_null and owner.type_oid == TEXT and owner.deterministic
        )

    @property
    def shared(self) -> bool:
        """Whether it is on the list of those that belong to nobody."""
        return not self.system and not self.temporary and self.name in GLOBAL and self.owner is None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tables by number, and names for what a statement may only use after a second look."""

    tables: Mapping[int, Table]
    functions: Mapping[int, str]
    """Functions that are not PostgreSQL's own, or not immutable."""
    types: Mapping[int, tuple[str, int]]
    """Types that are not PostgreSQL's own: the name, and the table whose row (or array of rows) it
    is, or 0.
    """
    found: tuple[tuple[frozenset[str], Fault], ...]
    """What is wrong with tables, and the schemas that each fault concerns."""

    def faults(self, used: Iterable[Table]) -> tuple[Fault, ...]:
        """The faults in the schemas of these tables and of the global ones; other schemas are other
        applications'.
        """
        homes = {
            table.schema
            for table in (*used, *(table for table in self.tables.values() if table.shared))
        }
        return tuple(fault for schemas, fault in self.found if schemas & homes)

    def index(self, oid: int) -> tuple[Table, Index] | None:
        """An index and its table."""
        return next(((t, i) for t in self.tables.values() for i in t.indexes if i.oid == oid), None)


async def read(server: Server) -> Catalogue:
    """Read the catalogue, and hold every table that is not the system's against the rules above."""
    tables: dict[int, Table] = {}
    for row in await server.rows("check/tables"):
        tables[row["oid"]] = Table(
            row["oid"],
            row["schema"],
            row["name"],
            row["kind"],
            row["temporary"],
            row["row_security"],
            row["inherits"],
            row["extension"],
            row["analysed"],
        )
    for row in await server.rows("check/columns"):
        tables[row["table_oid"]].columns[row["number"]] = TableColumn(
            row["number"],
            row["name"],
            row["type"],
            row["type_oid"],
            row["not_null"],
            row["deterministic"],
        )
    for row in await server.rows("check/indexes"):
        if table := tables.get(row["table_oid"]):  # a TOAST table's is none of ours
            columns = tuple(map(int, row["columns"].split()))
            table.indexes.append(
                Index(
                    row["oid"],
                    row["name"],
                    row["is_unique"],
                    row["usable"],
                    row["partial"],
                    columns,
                    row["sound"],
                )
            )
    types = {
        row["oid"]: (row["name"], row["table_oid"]) for row in await server.rows("check/types")
    }
    functions = {row["oid"]: row["name"] for row in await server.rows("check/functions")}
    ours = {
        oid: table
        for oid, table in tables.items()
        if not (table.system or table.temporary or table.extension)
    }
    found = [
        (frozenset({table.schema}), fault) for table in ours.values() for fault in _table(table)
    ]
    for row in await server.rows("check/constraints"):
        sides = [
            side for oid in (row["table_oid"], row["referenced_oid"]) if (side := tables.get(oid))
        ]
        found += [
            (frozenset(side.schema for side in sides), fault) for fault in _constraint(row, tables)
        ]
    for row in await server.rows("check/code"):
        if table := ours.get(row["table_oid"]):
            why = (
                f"{row['what']} runs with it, and nobody can see what that reads: do it in the"
                " statement"
            )
            found.append((frozenset({table.schema}), _fault(table, "code", why)))
    return Catalogue(tables, functions, types, tuple(found))


def _fault(table: Table, rule: str, text: str) -> Fault:
    return Fault(table.name, f"{table.schema}.{table.name}", rule, text)


def _table(table: Table) -> Iterable[Fault]:
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
        if column.type_oid >= FIRST_OF_OURS:
            yield _fault(
                table,
                "type",
                f"{column.name} has the type {column.type}, not PostgreSQL's own: use text and a"
                " CHECK",
            )
    if table.owner is None:
        if table.name not in GLOBAL:
            cure = (
                "give it `owner_id text NOT NULL` leading every key, or put it on the list in"
                " service/check/catalogue.py"
            )
            yield _fault(
                table, "owner-column", f"neither owned nor known to belong to nobody: {cure}"
            )
        return
    yield from _owner(table, table.owner)


def _owner(table: Table, owner: TableColumn) -> Iterable[Fault]:
    if not table.owned:
        nullable = "" if owner.not_null else ", nullable"
        is_now = owner.type + nullable + ("" if owner.deterministic else ", ambiguous collation")
        yield _fault(
            table,
            "owner-column",
            f"owner_id must be `text NOT NULL` under a deterministic collation; it is {is_now}",
        )
    for index in table.indexes:
        if index.unique and index.columns[:1] != (owner.number,):
            why = "a duplicate would tell of another owner's row"
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


def _constraint(row: asyncpg.Record, tables: Mapping[int, Table]) -> Iterable[Fault]:
    table, referenced = tables.get(row["table_oid"]), tables.get(row["referenced_oid"])
    if table is None or not (table.owner or (referenced and referenced.owner)):
        return
    here = (
        table.owner is not None
        and row["first_column"] == table.owner.number
        and row["first_operator"] == TEXT_EQUALS
    )
    there = referenced is None or (
        referenced.owner is not None and row["first_referenced"] == referenced.owner.number
    )
    if not here or not there:
        cure = (
            "start it with owner_id"
            if row["kind"] == "x"
            else "write FOREIGN KEY (owner_id, …) REFERENCES … (owner_id, …)"
        )
        yield _fault(
            table,
            "key",
            f"the constraint {row['name']} ties rows of different owners together: {cure}",
        )
    elif row["sets_default"]:
        yield _fault(
            table,
            "key",
            f"the constraint {row['name']} would set owner_id: use ON DELETE CASCADE or SET NULL"
            " (column)",
        )
