"""What a statement is made of: nothing that could read rows behind its text.

Judged by the rewritten tree, before the statement is planned, because planning would already run an
IMMUTABLE function. Allowed are kinds of nodes that we know; PostgreSQL's own types, operators and
immutable functions; and those of its other functions that are listed here, none of which reads a
table, a file, another session or a sequence.
"""

from collections.abc import Iterator

from ..db.scanner import scan
from ..db.statements import Statement
from .catalogue import FIRST_OF_OURS, Catalogue
from .findings import Fault
from .positions import alias_of, table_place, where
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
        "a sequence counts all owners' rows together: use an id that tells nothing, such as a UUID"
    ),
}

_FUNCTION_FIELDS = frozenset(
    {"funcid", "opfuncid", "aggfnoid", "winfnoid", "startInRangeFunc", "endInRangeFunc"}
)
_OPERATOR_FIELDS = frozenset({"opno", "eqop", "sortop", "inferopclass", "cycle_mark_neop"})
_OPERATOR_LISTS = frozenset({"opnos", "opfamilies"})

FUNCTIONS = names("""
    now transaction_timestamp statement_timestamp clock_timestamp age date_trunc date_part extract
    timezone make_timestamptz timestamptz timestamp date time timetz overlaps to_timestamp to_date
    to_number to_char pg_try_advisory_xact_lock gen_random_uuid uuidv4 uuidv7 random concat
    concat_ws format array_to_string string_agg quote_literal quote_nullable length pg_typeof
    generate_series in_range to_json to_jsonb row_to_json array_to_json json_agg jsonb_agg
    json_object_agg jsonb_object_agg json_build_array json_build_object jsonb_build_array
    jsonb_build_object json_populate_record json_populate_recordset jsonb_populate_record
    jsonb_populate_recordset json_to_record json_to_recordset jsonb_to_record jsonb_to_recordset
    to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery json_to_tsvector
    jsonb_to_tsvector ts_headline
    """)
"""PostgreSQL's functions that are not IMMUTABLE and still depend on nothing but their arguments,
the clock, the session's settings and chance. To add one, be sure that it reads no table and no
sequence and leaves nothing behind. The advisory lock ends with its statement and tells only
whether somebody holds its number: let the owner be hashed into that.
"""

GLOBAL_FUNCTIONS = FUNCTIONS | names("""
    set_config current_setting has_parameter_privilege pg_is_in_recovery pg_show_all_settings
    pg_try_advisory_lock pg_backend_pid pg_prepared_statement format_type regclass text
    """)
"""What a `global` statement may call besides: it can ask after the server, and is reviewed one by
one.
"""

_CATALOGUE = names("""
    pg_am pg_attrdef pg_attribute pg_class pg_collation pg_constraint pg_depend pg_index
    pg_inherits pg_namespace pg_operator pg_prepared_statements pg_proc pg_rewrite pg_settings
    pg_trigger pg_type
    """)
"""What a `global` statement may read of the system's: what describes rows, or the session.
Statistics hold samples of rows.
"""


def faults(statement: Statement, analysis: Analysis, catalogue: Catalogue) -> Iterator[Fault]:
    """Everything in the statement that the proof could not see through."""
    name = statement.name
    if len(analysis.queries) != 1 or analysis.query.number("commandType") == UTILITY:
        text = "only SELECT, INSERT, UPDATE and DELETE can be proven"
        yield Fault(name, where(statement), "opaque", text)
        return
    yield from _names(statement)
    seen: set[str] = set()
    for node in walk(analysis.query):
        for text in (
            *_kind(node),
            *_table(node, catalogue, statement),
            *_functions(node, catalogue, statement),
        ):
            if text not in seen:
                seen.add(text)
                yield Fault(name, _place(statement, node, catalogue), "opaque", text)
        for text in _types(node, catalogue):
            if text not in seen:
                seen.add(text)
                yield Fault(name, where(statement, node), "type", text)


def _place(statement: Statement, node: Node, catalogue: Catalogue) -> str:
    table = catalogue.tables.get(_relid(node)) if node.kind == "RANGETBLENTRY" else None
    return table_place(statement, table.name, alias_of(node)) if table else where(statement, node)


def _names(statement: Statement) -> Iterator[Fault]:
    before = ""
    for token in scan(statement.source):
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


def _table(node: Node, catalogue: Catalogue, statement: Statement) -> Iterator[str]:
    if node.kind != "RANGETBLENTRY" or not (relid := _relid(node)):
        return
    table = catalogue.tables.get(relid)
    if table is None or table.temporary:
        yield "reads what is no table of this schema"
    elif table.system:
        if statement.header.global_because is None or table.name not in _CATALOGUE:
            yield f"{table.name} is the system's: it can show what others do or have"
    elif table.kind != "r":
        yield (
            f"{table.name} is not a plain table: write the query of what it hides here, with"
            " owner_id for each table"
        )
    elif statement.header.global_because is not None and not table.shared:
        yield f"{table.name} is somebody's, the statement is `global`: give it an owner_id"
    elif not table.owned and not table.shared:
        yield f"{table.name} is neither owned nor global: see the fault of the table"
    if node.value("tablesample") is not None:
        yield _NAMED["TABLESAMPLECLAUSE"]


def _relid(node: Node) -> int:
    return node.number("relid") if node.has("relid") else 0


def _functions(node: Node, catalogue: Catalogue, statement: Statement) -> Iterator[str]:
    allowed = FUNCTIONS if statement.header.global_because is None else GLOBAL_FUNCTIONS
    for field in _FUNCTION_FIELDS & node.fields.keys():
        oid = node.number(field)
        # An operator of PostgreSQL's own, even one that is not immutable, reads nothing but its
        # operands.
        if oid in catalogue.functions and not (field == "opfuncid" and oid < FIRST_OF_OURS):
            known = catalogue.functions[oid]
            if oid >= FIRST_OF_OURS:
                yield f"{known}() is not PostgreSQL's own: write what it does into the statement"
            elif known not in allowed:
                yield (
                    f"{known}() is not on the list of functions that read nothing"
                    " (service/check/objects.py)"
                )
        elif oid >= FIRST_OF_OURS:
            yield "calls a function that is not in the catalogue"
    for field in _OPERATOR_FIELDS & node.fields.keys():
        if node.number(field) >= FIRST_OF_OURS:
            yield (
                "uses an operator that is not PostgreSQL's own: say OPERATOR(pg_catalog.…), or drop"
                " the operator"
            )
    for field in _OPERATOR_LISTS & node.fields.keys():
        if any(oid >= FIRST_OF_OURS for oid in node.numbers(field)):
            yield (
                "uses an operator that is not PostgreSQL's own: say OPERATOR(pg_catalog.…), or drop"
                " the operator"
            )


def _types(node: Node, catalogue: Catalogue) -> Iterator[str]:
    for field, value in node.fields.items():
        if not field.lower().endswith(("type", "typeid", "typid", "types")):
            continue
        words = value if isinstance(value, list) else [value]
        for oid in (int(word) for word in words if isinstance(word, str) and word.isdigit()):
            name, relid = catalogue.types.get(oid, ("", 0))
            if oid >= FIRST_OF_OURS and not (
                relid and (table := catalogue.tables.get(relid)) and (table.owned or table.shared)
            ):
                yield (
                    f"the type {name or oid} is not PostgreSQL's own: use text, a CHECK, or a row"
                    " type of a table"
                )
