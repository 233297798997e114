"""Compare a statement's header with the server's description of the statement."""

from collections.abc import Iterator

from ..db.scanner import Token
from ..db.statement import Statement
from .catalogue import OWNER, Catalogue, Index, Table
from .findings import Fault
from .nulls import nullable
from .positions import tokens, where
from .rows import bounds
from .scope import Scope
from .server import Analysis

_AFTER_STAR = frozenset(
    {"from", "into", "union", "except", "intersect", "where", "order", "limit", "as"}
)
_BEFORE_STAR = frozenset({"select", "returning", "distinct", "all", ",", "."})


def faults(statement: Statement, analysis: Analysis, catalogue: Catalogue) -> Iterator[Fault]:
    """Yield each difference between the header and the server's description, except the index."""
    yield from _star(statement)
    yield from _parameters(statement, analysis)
    yield from _columns(statement, analysis)
    scope = Scope(analysis.query)
    if len(analysis.columns) == len(statement.header.columns):
        yield from _nulls(statement, scope, catalogue)
    yield from _rows(statement, scope, catalogue)


def index_faults(statement: Statement, used: list[tuple[Table, Index]]) -> Iterator[Fault]:
    """Compare the header's `index` with the indexes in the plan.

    Without statistics the planner chooses the same on every server. With statistics of few rows for
    each owner it may choose any index: then the header may name any sound index of the table.
    """
    names = [index.name for _, index in used]
    here = " and ".join(names) or "none"
    usable = {
        index.name
        for table, _ in used
        if table.analysed
        for index in table.indexes
        if index.sound and index.usable
    }
    for name in statement.header.indexes:
        if name not in names and name not in usable:
            yield _fault(
                statement,
                "index",
                "index",
                f"{name} is not used; the plan uses {here}: name that, or help the planner",
            )
    if names and not statement.header.indexes:
        yield _fault(
            statement,
            "index",
            "returns",
            f"the header does not say which index it relies on: write `index: {names[0]}`",
        )


def _fault(statement: Statement, rule: str, key: str, text: str) -> Fault:
    lines = statement.header.lines
    return Fault(
        statement.name, where(statement, line=lines.get(key, lines.get("returns", 1))), rule, text
    )


def _parameters(statement: Statement, analysis: Analysis) -> Iterator[Fault]:
    for declared, real in zip(statement.parameters, analysis.parameters, strict=True):
        if declared.type != real:
            cure = f"write `{declared.name} {real}` in the header, or a cast in the statement"
            if declared.name == OWNER:
                cure = f"compare it with {OWNER} itself, without a cast"
            text = (
                f"the server takes {declared.name} as {real}, the header says {declared.type}:"
                f" {cure}"
            )
            yield _fault(statement, "parameter", "params", text)


def _columns(statement: Statement, analysis: Analysis) -> Iterator[Fault]:
    declared = [(column.name, column.type) for column in statement.header.columns]
    real = [(column.name, column.type) for column in analysis.columns]
    if declared != real:
        cure = (
            "leave RETURNING out, or list the columns"
            if statement.rows == "count"
            else "write that in `returns`"
        )
        listed = ", ".join(f"{name} {kind}" for name, kind in real) or "no columns"
        text = f"the statement returns {listed}: {cure}"
        yield _fault(statement, "columns", "returns", text)


def _nulls(statement: Statement, scope: Scope, catalogue: Catalogue) -> Iterator[Fault]:
    for number, column in enumerate(statement.header.columns, start=1):
        answers = [
            nullable(node, place, catalogue, statement.parameters)
            for node, place in scope.outputs(number)
        ]
        if not column.nullable and True in answers:
            text = (
                f"{column.name} can be NULL: write `{column.name} {column.type}?`, or COALESCE it"
            )
            yield _fault(statement, "nullable", "returns", text)
        elif column.nullable and answers and set(answers) == {False}:
            text = (
                f"{column.name} can never be NULL: write `{column.name} {column.type}` without `?`"
            )
            yield _fault(statement, "nullable", "returns", text)


def _rows(statement: Statement, scope: Scope, catalogue: Catalogue) -> Iterator[Fault]:
    if statement.rows not in ("one", "maybe"):
        return
    least, most = bounds(scope, catalogue)
    if most is None or most > 1:
        text = (
            f"`{statement.rows}`, but there can be more rows: search by a whole unique key, add"
            " LIMIT 1, or write `many`"
        )
        yield _fault(statement, "rows", "returns", text)
    elif statement.rows == "one" and least == 0:
        yield _fault(
            statement, "rows", "returns", "`one`, but there can be no row at all: write `maybe`"
        )


def _star(statement: Statement) -> Iterator[Fault]:
    words = [
        token
        for token in tokens(statement.source)
        if token.kind not in ("space", "comment", "block")
    ]
    for number, token in enumerate(words):
        if token.text == "*" and _selects_all(words, number):
            text = (
                "`*` changes with the table, under prepared statements and clients: name the"
                " columns"
            )
            yield Fault(statement.name, where(statement, offset=token.offset), "star", text)


def _selects_all(tokens: list[Token], number: int) -> bool:
    """Return whether this star is neither a multiplication nor that of count(*)."""
    before = tokens[number - 1].text.lower() if number else ""
    after = tokens[number + 1].text.lower() if number + 1 < len(tokens) else ";"
    return before in _BEFORE_STAR or (
        before != "(" and (after in _AFTER_STAR or after in (",", ")", ";"))
    )
