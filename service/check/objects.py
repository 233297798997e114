"""Allow only nodes, tables, functions, operators and types that read no rows out of sight.

The rewritten tree is judged before the statement is planned, because planning runs IMMUTABLE
functions. Known node kinds, built-in operators and built-in IMMUTABLE functions are allowed, and
the types and other functions that `allowed` lists: none reads a table, a file, another session or
a sequence.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from ..db.statement import Statement
from .allowed import (
    BY_HAND,
    CATALOGUE,
    CONSTANT_TYPES,
    FUNCTIONS,
    GLOBAL_FUNCTIONS,
    GLOBAL_TYPES,
    TYPES,
)
from .catalogue import FIRST_OF_OURS, OWNER, Catalogue, Table, Type
from .findings import Fault
from .positions import alias_of, tokens, where, where_table
from .proof import is_owner_parameter
from .server import UTILITY, Analysis
from .trees import Node, names, walk

_NODES = names("""
    QUERY RANGETBLENTRY RTEPERMISSIONINFO ALIAS FROMEXPR JOINEXPR RANGETBLREF RANGETBLFUNCTION
    TARGETENTRY COMMONTABLEEXPR SETOPERATIONSTMT SORTGROUPCLAUSE WINDOWCLAUSE ROWMARKCLAUSE
    GROUPINGSET ONCONFLICTEXPR INFERENCEELEM RETURNINGEXPR VAR CONST PARAM OPEXPR FUNCEXPR
    NAMEDARGEXPR AGGREF WINDOWFUNC GROUPINGFUNC BOOLEXPR NULLTEST BOOLEANTEST CASEEXPR CASE
    CASEWHEN WHEN CASETESTEXPR COALESCE COALESCEEXPR MINMAX MINMAXEXPR SUBLINK ROW ROWEXPR
    ROWCOMPARE ROWCOMPAREEXPR FIELDSELECT RELABELTYPE COERCEVIAIO ARRAYCOERCEEXPR ARRAY ARRAYEXPR
    SCALARARRAYOPEXPR DISTINCTEXPR NULLIFEXPR SUBSCRIPTINGREF COLLATE COLLATEEXPR SQLVALUEFUNCTION
    JSONCONSTRUCTOREXPR JSONRETURNING JSONFORMAT JSONVALUEEXPR JSONISPREDICATE JSONEXPR
    JSONBEHAVIOR CTESEARCHCLAUSE CTECYCLECLAUSE
    """)
_NAMED = {
    "MERGEACTION": "MERGE can't be proven here: write INSERT … ON CONFLICT, or UPDATE",
    "TABLESAMPLECLAUSE": "TABLESAMPLE reads a table past its indexes: leave it out",
    "CURRENTOFEXPR": (
        "CURRENT OF leads to a row that another statement chose: filter by owner_id and key"
    ),
    "NEXTVALUEEXPR": (
        "a sequence counts all owners' rows together: use an id that reveals nothing, like a UUID"
    ),
}

# Fields that hold the OID of a type or a function, by the ends of their names, to include those of
# later versions; and fields with such names that hold something else.
_TYPE_FIELDS = ("type", "typeid", "typid", "types")
_NO_TYPES = names("""
    commandType jointype subLinkType nulltesttype booltesttype varreturningtype rctype cmptype
    item_type format_type btype
    """)
_FUNCTION_FIELDS = ("funcid", "fnoid", "func")
_OPERATOR_FIELDS = names("opno eqop sortop inferopclass cycle_mark_neop opnos opfamilies")

_SYSTEM_COLUMNS = {-1: "ctid", -2: "xmin", -3: "cmin", -4: "xmax", -5: "cmax", -6: "tableoid"}

LOCK, HASH = 3091, 448  # pg_try_advisory_xact_lock(bigint), hashtextextended(text,bigint)


def faults(statement: Statement, analysis: Analysis, catalogue: Catalogue) -> Iterator[Fault]:
    """Yield a fault for each part of the statement that the proof cannot see through."""
    name = statement.name
    if len(analysis.queries) != 1 or analysis.query.number("commandType") == UTILITY:
        text = "only SELECT, INSERT, UPDATE and DELETE can be proven"
        yield Fault(name, where(statement), "opaque", text)
        return
    yield from _names(statement)
    seen: set[str] = set()
    own = statement.header.global_because is None
    for node in walk(analysis.query):
        found = [("opaque", text) for text in _table(node, catalogue, own=own)]
        for rule, text in (*found, *opaque(node, catalogue, own=own)):
            if text not in seen:
                seen.add(text)
                yield Fault(name, _where(statement, node, catalogue), rule, text)


def opaque(node: Node, catalogue: Catalogue, *, own: bool) -> Iterator[tuple[str, str]]:
    """Yield the rules that the node breaks, and why. `own`: the statement, or the expression's
    table, has an owner.
    """
    functions = FUNCTIONS if own else GLOBAL_FUNCTIONS
    for text in (*_kind(node), *_functions(node, catalogue, functions), *_operators(node)):
        yield "opaque", text
    for text in _types(node, catalogue, own=own):
        yield "type", text


def _where(statement: Statement, node: Node, catalogue: Catalogue) -> str:
    table = catalogue.tables.get(_relid(node)) if node.kind == "RANGETBLENTRY" else None
    return where_table(statement, table.name, alias_of(node)) if table else where(statement, node)


def _names(statement: Statement) -> Iterator[Fault]:
    before = ""
    for token in tokens(statement.source):
        plain = token.text.strip('"')
        if (
            before != "collate"
            and (token.kind == "quoted" or (token.kind == "word" and not token.text.isascii()))
            and not (plain.isascii() and plain.isidentifier() and plain.islower())
        ):
            text = (
                f"{token.text}: a name in a-z, 0-9 and _ never needs quotes, and is always itself"
            )
            yield Fault(statement.name, where(statement, offset=token.offset), "name", text)
        if token.kind not in ("space", "comment", "block"):
            before = token.text.lower()


def _kind(node: Node) -> Iterator[str]:
    if node.kind not in _NODES:
        yield _NAMED.get(
            node.kind, f"{node.kind} is nothing the proof knows of: say it in plainer SQL"
        )
    elif node.kind == "QUERY" and node.number("commandType") not in (1, 2, 3, 4):
        yield _NAMED["MERGEACTION"]
    elif node.kind == "VAR" and node.number("varattno") < 0:
        column = _SYSTEM_COLUMNS.get(node.number("varattno"), "this")
        yield f"{column} is a system column: it shows where and when all owners' rows were written"


def _table(node: Node, catalogue: Catalogue, *, own: bool) -> Iterator[str]:
    if node.kind != "RANGETBLENTRY":
        return
    if relid := _relid(node):
        table = catalogue.tables.get(relid)
        if table is None or table.temporary:
            yield "reads what is no table of this schema"
        elif text := (_system_table if table.system else _our_table)(table, own=own):
            yield text
    if node.value("tablesample") is not None:
        yield _NAMED["TABLESAMPLECLAUSE"]


def _system_table(table: Table, *, own: bool) -> str:
    if own or not (table.oid in CATALOGUE or table.kind == "v"):  # what a view reads is here too
        return f"{table.name} is the system's: it can show what others do or have"
    return ""


def _our_table(table: Table, *, own: bool) -> str:
    if table.kind != "r":
        return (
            f"{table.name} is not a plain table: write the query of what it hides here, with"
            " owner_id for each table"
        )
    if table.extension:
        return f"{table.name} is an extension's, which can change it: use a table of the migrations"
    if own and table.shared:
        return (
            f"{table.name} has no owner, all owners would see it and its changes: use it in a"
            " `global` statement"
        )
    if not own and not table.shared:
        return f"{table.name} has an owner, the statement is `global`: give it an owner_id"
    if not table.owned and not table.shared:
        return f"{table.name} is neither owned nor global: see the fault of the table"
    return ""


def _relid(node: Node) -> int:
    return node.number("relid") if node.has("relid") else 0


def _functions(node: Node, catalogue: Catalogue, allowed: Mapping[int, str]) -> Iterator[str]:
    for field, oid in _numbers(node, _FUNCTION_FIELDS):
        if oid < BY_HAND and (oid not in catalogue.functions or oid in allowed):
            continue
        # A built-in operator, even one that is not IMMUTABLE, reads its operands alone.
        if oid < BY_HAND and field == "opfuncid":
            continue
        if oid == LOCK:
            if not _hashes_owner(node.nodes("args")[0]):
                yield (
                    "a lock's number that others can take reveals them: use hashtextextended(…,"
                    f" hashtextextended(:{OWNER}, 0))"
                )
            continue
        known = catalogue.functions.get(oid, f"function {oid}")
        if oid >= FIRST_OF_OURS:
            yield f"{known} is not PostgreSQL's own: write what it does into the statement"
        else:
            yield (
                f"{known} is not on the list of functions that read nothing"
                " (service/check/allowed.py)"
            )


def functions_of(node: Node) -> Iterator[int]:
    """Yield the OIDs of the functions that the node calls, those of operators included."""
    return (oid for _, oid in _numbers(node, _FUNCTION_FIELDS))


def _hashes_owner(node: Node) -> bool:
    if node.kind != "FUNCEXPR" or node.number("funcid") != HASH:
        return False
    text, seed = node.nodes("args")
    return is_owner_parameter(text) or _hashes_owner(seed)


def _operators(node: Node) -> Iterator[str]:
    for field in _OPERATOR_FIELDS & node.fields.keys():
        value = node.value(field)
        oids = node.numbers(field) if isinstance(value, list) else [node.number(field)]
        if any(oid >= FIRST_OF_OURS for oid in oids):
            yield (
                "uses an operator that is not PostgreSQL's own: say OPERATOR(pg_catalog.…), or drop"
                " the operator"
            )


def _types(node: Node, catalogue: Catalogue, *, own: bool) -> Iterator[str]:
    allowed = GLOBAL_TYPES if not own else CONSTANT_TYPES if node.kind == "CONST" else TYPES
    for field, oid in _numbers(node, _TYPE_FIELDS):
        enumeration = node.kind == "JSONCONSTRUCTOREXPR" and field == "type"
        if oid and field not in _NO_TYPES and not enumeration:
            kind = catalogue.types.get(oid)
            if kind is None or not (kind.within(allowed) or _row(kind, catalogue, own=own)):
                yield (
                    f"the type {kind.name if kind else oid} is not on the list of those that hold"
                    " values only (service/check/allowed.py): use text"
                )


def _row(kind: Type, catalogue: Catalogue, *, own: bool) -> bool:
    """Return whether it is the row type of a table that the statement may use."""
    table = catalogue.tables.get(kind.table_oid)
    return table is not None and (table.owned if own else table.shared)


def _numbers(node: Node, ends: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yield the numbers in fields whose names have one of these ends, each with its field."""
    for field in _ending(tuple(node.fields), ends):
        value = node.fields[field]
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str) and word.isdigit():
                yield field, int(word)


@lru_cache(maxsize=1024)  # a server's nodes of one kind have the same fields
def _ending(fields: tuple[str, ...], ends: tuple[str, ...]) -> tuple[str, ...]:
    """Return the fields whose names have one of these ends."""
    return tuple(field for field in fields if field.lower().endswith(ends))
