"""Infer from a query tree which result columns can be NULL."""

from collections.abc import Iterator

from ..db.fields import Field
from .catalogue import Catalogue
from .rows import bounds
from .scope import FULL, LEFT, RIGHT, Scope, conjuncts
from .trees import Node, walk

COUNTS = frozenset({2147, 2803})  # count(any), count(*)
NOT_NULL_TEST = "1"  # NullTestType IS_NOT_NULL
EXISTS, SCALAR = 0, 4  # SubLinkType


def nullable(  # noqa: C901, PLR0911 - a table of cases
    expression: Node, scope: Scope, catalogue: Catalogue, parameters: tuple[Field, ...]
) -> bool | None:
    """Return whether it can be NULL; None if the tree does not tell."""

    def any_of(nodes: list[tuple[Node, Scope]]) -> bool | None:
        answers = [nullable(node, place, catalogue, parameters) for node, place in nodes]
        return True if True in answers else None if None in answers else False

    def argument(field: str = "arg") -> bool | None:
        inner = expression.node(field)
        return nullable(inner, scope, catalogue, parameters) if inner else None

    match expression.kind:
        case "VAR":
            return _column_nullable(expression, scope, catalogue, parameters)
        case "CONST":
            return expression.text("constisnull") == "true"
        case "PARAM":
            return (
                parameters[expression.number("paramid") - 1].nullable
                if expression.number("paramkind") == 0
                else None
            )
        case "AGGREF":
            return False if expression.number("aggfnoid") in COUNTS else None
        case "COALESCE" | "COALESCEEXPR" | "MINMAX" | "MINMAXEXPR":
            answers = [
                nullable(node, scope, catalogue, parameters) for node in expression.nodes("args")
            ]
            return False if False in answers else None if None in answers else True
        case (
            "NULLTEST" | "BOOLEANTEST" | "DISTINCTEXPR" | "ARRAY" | "ARRAYEXPR" | "ROW" | "ROWEXPR"
        ):
            return False
        case "OPEXPR" | "BOOLEXPR":
            answer = any_of([(node, scope) for node in expression.nodes("args")])
            # Operators are strict: NULL in, NULL out. That the result is otherwise not NULL is
            # certain for AND, OR and NOT alone.
            return answer if expression.kind == "BOOLEXPR" or answer else None
        case "RELABELTYPE" | "COERCEVIAIO" | "ARRAYCOERCEEXPR" | "COLLATE" | "COLLATEEXPR":
            return argument()
        case "CASE" | "CASEEXPR":
            results = [when.node("result") for when in expression.nodes("args")] + [
                expression.node("defresult")
            ]
            return any_of([(node, scope) for node in results if node])
        case "SUBLINK" if expression.number("subLinkType") == EXISTS:
            return False
        case "SUBLINK" if expression.number("subLinkType") == SCALAR:
            inner = expression.node("subselect")
            answer = any_of(Scope(inner, scope).outputs(1)) if inner else None
            sure = inner is not None and bounds(Scope(inner, scope), catalogue).least == 1
            return answer if answer or sure else None
        case _:
            return None


def _column_nullable(
    var: Node, scope: Scope, catalogue: Catalogue, parameters: tuple[Field, ...]
) -> bool | None:
    home = scope.outer(var.number("varlevelsup"))
    if (var.has("varreturningtype") and var.number("varreturningtype")) or home.query.value(
        "groupingSets"
    ):
        # PostgreSQL 18's old.* and new.* are NULL without such a row; grouping sets omit columns
        return None
    if var.number("varno") in _padded(home) or var.number("varattno") < 1:
        return True if var.number("varattno") > 0 else None
    if any(_same(var, tested) for tested in _tested(home)):
        return False
    if (column := home.table_column(_here(var))) is not None:
        table = catalogue.tables.get(column[0])
        known = table.columns.get(column[1]) if table else None
        return None if known is None else not known.not_null
    origins = home.origins(_here(var))
    if not origins:
        return None
    answers = [nullable(node, place, catalogue, parameters) for node, place in origins]
    return True if True in answers else None if None in answers else False


def _here(var: Node) -> Node:
    return Node(var.kind, {**var.fields, "varlevelsup": "0"}, var.children)


def _same(one: Node, other: Node) -> bool:
    return all(one.number(field) == other.number(field) for field in ("varno", "varattno"))


def _padded(scope: Scope) -> set[int]:
    """Return the range table entries on the nullable side of an outer join."""
    found: set[int] = set()
    for join in (node for item in scope.sources for node in walk(item) if node.kind == "JOINEXPR"):
        kind = join.number("jointype")
        sides = [join.node("rarg")] * (kind in (LEFT, FULL)) + [join.node("larg")] * (
            kind in (RIGHT, FULL)
        )
        found |= {
            node.number("rtindex")
            for side in sides
            for node in walk(side)
            if node.kind in ("RANGETBLREF", "JOINEXPR")
        }
    return found


def _tested(scope: Scope) -> Iterator[Node]:
    """Yield the columns that WHERE tests with IS NOT NULL."""
    for test in conjuncts(scope.condition):
        if test.kind == "NULLTEST" and test.text("nulltesttype") == NOT_NULL_TEST:
            argument = test.node("arg")
            if argument is not None and argument.kind == "VAR":
                yield argument
