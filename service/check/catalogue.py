"""What the database says of its tables: see `tables` for how they must be built."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
class Catalogue:
    """The tables by number, and names for what a statement may only use after a second look."""

    tables: Mapping[int, Table]
    functions: Mapping[int, str]
    """Functions that are not PostgreSQL's own, or not immutable."""
    types: Mapping[int, tuple[str, int]]
    """Types that are not PostgreSQL's own: the name, and the table whose row (or array of rows) it
    is, or 0.
    """
    constraints: tuple[Constraint, ...]
    code: tuple[tuple[int, str], ...]
    """What runs with a table: the table's number, and its description."""

    def index(self, oid: int) -> tuple[Table, Index] | None:
        """An index and its table."""
        return next(((t, i) for t in self.tables.values() for i in t.indexes if i.oid == oid), None)


async def read(server: Server) -> Catalogue:
    """Read the catalogue."""
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
    constraints = tuple(Constraint(**row) for row in await server.rows("check/constraints"))
    code = tuple((row["table_oid"], row["what"]) for row in await server.rows("check/code"))
    return Catalogue(tables, functions, types, constraints, code)
