"""The database's catalogue: tables, types and functions. `tables` has the rules for them."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from ..db.scanner import scan
from ..db.statement import Statement
from .server import Server
from .trees import Value, parse

OWNER = "owner_id"
FIRST_OF_OURS = 16384
"""OIDs below are built in, assigned by initdb."""
TEXT = 25
TEXT_EQUALS = 98
"""OID of the operator text = text."""

GLOBAL = frozenset(
    {"_yoyo_log", "_yoyo_migration", "_yoyo_version", "migration_checksums", "yoyo_lock"}
)
"""The tables without owner: about the schema, never about users."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table."""

    number: int
    name: str
    type: str
    type_oid: int
    not_null: bool
    deterministic: bool
    generated: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index; `columns` are the table's column numbers in key order, 0 for an expression."""

    oid: int
    name: str
    unique: bool
    usable: bool
    partial: bool
    columns: tuple[int, ...]
    sound: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table, view or other relation with rows."""

    oid: int
    schema: str
    name: str
    kind: str
    temporary: bool
    row_security: bool
    inherits: bool
    extension: bool
    """Whether it belongs to an extension."""
    home: bool
    """Whether it is in the schema where migrations create tables."""
    usable: bool
    """Whether the checking role has USAGE on the schema; without, PostgreSQL hides its tables."""
    analysed: bool
    """Whether the planner has statistics of it."""
    columns: dict[int, TableColumn] = field(default_factory=dict)
    indexes: list[Index] = field(default_factory=list)

    @property
    def system(self) -> bool:
        """Whether it is built in."""
        return self.oid < FIRST_OF_OURS

    @property
    def owner(self) -> TableColumn | None:
        """The owner_id column, if there is one."""
        return next((column for column in self.columns.values() if column.name == OWNER), None)

    @property
    def owned(self) -> bool:
        """Whether each row has an owner."""
        owner = self.owner
        return (
            owner is not None
            and owner.not_null
            and owner.type_oid == TEXT
            and owner.deterministic
            and not owner.generated
            and not self.extension
        )

    @property
    def shared(self) -> bool:
        """Whether it is on the list of tables without owner."""
        return (
            self.name in GLOBAL
            and self.home
            and self.owner is None
            and not self.system
            and not self.temporary
            and not self.extension
        )


@dataclass(frozen=True, slots=True)
class Constraint:
    """A foreign key or an exclusion constraint. `first_operator` compares its first column."""

    table_oid: int
    name: str
    kind: str
    referenced_oid: int
    first_column: int
    first_referenced: int | None
    first_operator: int | None
    sets_default: bool


@dataclass(frozen=True, slots=True)
class Type:
    """A type. `element` is the OID of an array's element type, `table_oid` the OID of the table
    whose row type it, or its element, is; 0 if neither.
    """

    oid: int
    name: str
    element: int
    table_oid: int

    def within(self, allowed: Container[int]) -> bool:
        """Return whether it, or its element type, is among these OIDs."""
        return self.oid in allowed or self.element in allowed


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression beside a table: of a constraint, a default, an index or statistics."""

    table_oid: int
    what: str
    tree: Value


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Tables, types and functions by OID, and what belongs to tables."""

    tables: Mapping[int, Table]
    functions: Mapping[int, str]
    """The signatures of functions that are user-defined or not IMMUTABLE."""
    volatile: frozenset[int]
    """The VOLATILE ones of these."""
    types: Mapping[int, Type]
    constraints: tuple[Constraint, ...]
    expressions: tuple[Expression, ...]
    code: tuple[tuple[int, str], ...]
    """User-defined code that runs with a table: the table's OID, and a description."""

    def index(self, oid: int) -> tuple[Table, Index] | None:
        """Return an index and its table, by the index's OID."""
        return next(((t, i) for t in self.tables.values() for i in t.indexes if i.oid == oid), None)

    def hidden(self, statement: Statement) -> Table | None:
        """Return a table that the statement names and whose schema the role may not use."""
        words = {token.text.lower() for token in scan(statement.source) if token.kind == "word"}
        hidden = (table for table in self.tables.values() if not table.usable)
        return next((table for table in hidden if table.name in words), None)


async def read(server: Server) -> Catalogue:
    """Read the catalogue."""
    tables = {row["oid"]: Table(**row) for row in await server.rows("check/tables")}
    for row in await server.rows("check/columns"):
        column = {name: value for name, value in row.items() if name != "table_oid"}
        tables[row["table_oid"]].columns[row["number"]] = TableColumn(**column)
    for row in await server.rows("check/indexes"):
        if table := tables.get(row["table_oid"]):  # not a TOAST table's
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
    expressions = tuple(
        Expression(row["table_oid"], row["what"], parse(row["tree"]))
        for row in await server.rows("check/expressions")
    )
    functions = await server.rows("check/functions")
    return Catalogue(
        tables,
        {row["oid"]: row["signature"] for row in functions},
        frozenset(row["oid"] for row in functions if row["is_volatile"]),
        {row["oid"]: Type(**row) for row in await server.rows("check/types")},
        tuple(Constraint(**row) for row in await server.rows("check/constraints")),
        expressions,
        tuple((row["table_oid"], row["what"]) for row in await server.rows("check/code")),
    )
