"""What the database says of its tables: see `tables` for how they must be built."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from ..db.scanner import scan
from ..db.statements import Statement
from .server import Server
from .trees import Value, parse

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
    """Belongs to an extension, which has rules of its own."""
    home: bool
    """In the schema that the migrations make tables in."""
    usable: bool
    """The role that asks has USAGE on the schema: without, it sees no table there."""
    analysed: bool
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
            owner is not None
            and owner.not_null
            and owner.type_oid == TEXT
            and owner.deterministic
            and not owner.generated
            and not self.extension
        )

    @property
    def shared(self) -> bool:
        """Whether it is on the list of those that belong to nobody."""
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
    """A type. `element` is another type's number if it is an array, `table_oid` a table's if it, or
    its element, is the row of one; otherwise they are 0.
    """

    oid: int
    name: str
    element: int
    table_oid: int

    def within(self, allowed: Container[int]) -> bool:
        """Whether it, or what it is an array of, is among these."""
        return self.oid in allowed or self.element in allowed


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression beside a table: of a constraint, a default, an index or statistics."""

    table_oid: int
    what: str
    tree: Value


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Tables, types and functions by number, and what else there is beside tables."""

    tables: Mapping[int, Table]
    functions: Mapping[int, str]
    """The signatures of functions that need a second look: not PostgreSQL's own, or not
    immutable.
    """
    volatile: frozenset[int]
    """Those of them that are VOLATILE."""
    types: Mapping[int, Type]
    constraints: tuple[Constraint, ...]
    expressions: tuple[Expression, ...]
    code: tuple[tuple[int, str], ...]
    """What runs with a table: the table's number, and its description."""

    def index(self, oid: int) -> tuple[Table, Index] | None:
        """An index and its table."""
        return next(((t, i) for t in self.tables.values() for i in t.indexes if i.oid == oid), None)

    def hidden(self, statement: Statement) -> Table | None:
        """A table that the statement names, in a schema that the role may not use."""
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
