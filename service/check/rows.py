"""Infer from a query tree how many rows it can return."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from .catalogue import Catalogue, Index
from .scope import FULL, LEFT, RIGHT, Command, From, Scope, conjuncts
from .trees import Node, walk

INT8_OF_INT4 = 481  # the cast in `LIMIT 1`
EQUALS = frozenset({91, 94, 96, 98, 410, 15, 416, 532, 533, 2060, 1093, 1320, 2972})
"""OIDs of the operators `=` of bool, int2, int4, int8 (mixed widths too), text, timestamp, date,
timestamptz and uuid.
"""
DO_UPDATE = 2  # OnConflictAction
WITH_TIES = "1"  # LimitOption
UNION = 1  # SetOperation


class Bounds(NamedTuple):
    """The least number of rows (0 or 1; None: unknown) and the greatest (None: no bound)."""

    least: int | None
    most: int | None


def bounds(scope: Scope, catalogue: Catalogue, seen: frozenset[Node] = frozenset()) -> Bounds:
    """Return how many rows the query, or a write's RETURNING, can return."""
    query = scope.query
    if query in seen:
        return Bounds(None, None)  # a recursive CTE
    seen |= {query}
    if query.value("setOperations") is not None:
        return _limited(query, _set_operation(scope, catalogue, seen))
    least, most = _joined(scope, catalogue, seen)
    if scope.command == Command.INSERT and (conflict := query.node("onConflict")):
        skips = (
            conflict.number("action") != DO_UPDATE or conflict.value("onConflictWhere") is not None
        )
        least = 0 if skips else least
    if (
        query.text("hasAggs") == "true"
        and not query.value("groupClause")
        and not query.value("groupingSets")
    ):
        least, most = 1, 1
    if query.value("havingQual") is not None:
        least = 0
    if query.text("hasTargetSRFs") == "true":
        least, most = 0, None
    return _limited(query, Bounds(least, most))


def _limited(query: Node, result: Bounds) -> Bounds:
    least, most = result
    if query.value("limitOffset") is not None:
        least = 0
    limit = query.node("limitCount") if query.text("limitOption") != WITH_TIES else None
    if limit is not None:
        value = _constant(limit)
        least = least if value is not None and value > 0 else 0
        most = value if value is not None and (most is None or value < most) else most
    return Bounds(least, most)


def _constant(node: Node) -> int | None:
    """Return the value of an integer constant."""
    if node.kind == "FUNCEXPR" and node.number("funcid") == INT8_OF_INT4:
        [node] = node.nodes("args")
    value = node.value("constvalue")
    if node.kind != "CONST" or not isinstance(value, list):
        return None
    data = bytes(
        int(item) & 255 for item in value if isinstance(item, str) and re.fullmatch(r"-?\d+", item)
    )[1:]
    return int.from_bytes(data, "little", signed=True)


def _set_operation(scope: Scope, catalogue: Catalogue, seen: frozenset[Node]) -> Bounds:
    tree = scope.query.value("setOperations")
    operations = {node.number("op") for node in walk(tree) if node.kind == "SETOPERATIONSTMT"}
    leaves = [node for node in walk(tree) if node.kind == "RANGETBLREF"]
    arms = [
        bounds(scope.subquery(scope.entry(leaf.number("rtindex"))), catalogue, seen)
        for leaf in leaves
    ]
    if operations != {UNION}:
        return Bounds(None, arms[0].most)
    most = [arm.most for arm in arms]
    least = 1 if any(arm.least == 1 for arm in arms) else None
    return Bounds(least, None if None in most else sum(number or 0 for number in most))


def _joined(scope: Scope, catalogue: Catalogue, seen: frozenset[Node]) -> Bounds:
    """Return the bounds of FROM and WHERE, before grouping and LIMIT."""
    entries = {index: scope.entry(index) for item in scope.sources for index in _leaves(item)}
    known = {index: _entry(entry, scope, catalogue, seen) for index, entry in entries.items()}
    if any(
        node.kind == "JOINEXPR" and node.number("jointype") == FULL
        for item in scope.sources
        for node in walk(item)
    ):
        return Bounds(_least(scope, known), None)
    everywhere = frozenset(entries)
    equalities = [(part, everywhere) for part in conjuncts(scope.condition)]
    equalities += [pair for item in scope.sources for pair in _join_conditions(item)]
    single = {index for index, rows in known.items() if rows.most is not None and rows.most <= 1}
    while True:
        more = {
            index
            for index, entry in entries.items()
            if index not in single
            and _keyed(
                index,
                entry,
                [part for part, reach in equalities if index in reach],
                single,
                catalogue,
            )
        }
        if not more:
            break
        single |= more
    most = 1
    for index, rows in known.items():
        if index not in single:
            if rows.most is None:
                return Bounds(_least(scope, known), None)
            most *= rows.most
    return Bounds(_least(scope, known), most)


def _least(scope: Scope, known: dict[int, Bounds]) -> int | None:
    if scope.condition is not None:
        return 0
    return min((_item_least(item, known) for item in scope.sources), default=1)


def _item_least(item: Node, known: dict[int, Bounds]) -> int:
    if item.kind == "RANGETBLREF":
        return known[item.number("rtindex")].least or 0
    left, right = item.node("larg"), item.node("rarg")
    assert left is not None
    assert right is not None
    kind, condition = item.number("jointype"), item.node("quals")
    sides = (_item_least(left, known), _item_least(right, known))
    if kind == LEFT:
        return sides[0]
    if kind == RIGHT:
        return sides[1]
    if kind == FULL:
        return max(sides)
    always = condition is None or (
        condition.kind == "CONST" and condition.text("constisnull") == "false"
    )
    return min(sides) if always else 0


def _leaves(item: Node) -> Iterator[int]:
    return (node.number("rtindex") for node in walk(item) if node.kind == "RANGETBLREF")


def _join_conditions(item: Node) -> Iterator[tuple[Node, frozenset[int]]]:
    """Yield the join conditions, each with the entries that it filters: an outer join's condition
    filters its nullable side alone.
    """
    for join in (node for node in walk(item) if node.kind == "JOINEXPR"):
        kind = join.number("jointype")
        sides = [join.node("larg")] * (kind not in (LEFT, FULL)) + [join.node("rarg")] * (
            kind not in (RIGHT, FULL)
        )
        reach = frozenset(index for side in sides if side for index in _leaves(side))
        for part in conjuncts(join.node("quals")):
            yield part, reach


def _entry(entry: Node, scope: Scope, catalogue: Catalogue, seen: frozenset[Node]) -> Bounds:
    match entry.number("rtekind"):
        case From.SUBQUERY:
            return bounds(scope.subquery(entry), catalogue, seen)
        case From.CTE:
            return bounds(scope.cte(entry), catalogue, seen)
        case From.VALUES:
            rows = entry.value("values_lists")
            return Bounds(1, len(rows) if isinstance(rows, list) else None)
        case From.FUNCTION:
            sets = any(
                node.value("funcretset") == "true"
                for item in entry.nodes("functions")
                for node in walk(item)
            )
            return Bounds(0, None) if sets else Bounds(1, 1)
        case From.RESULT:
            return Bounds(1, 1)
        case _:
            return Bounds(0, None)


def _keyed(
    number: int, entry: Node, parts: list[Node], single: set[int], catalogue: Catalogue
) -> bool:
    """Return whether all columns of a unique key are each equal to one value."""
    table = (
        catalogue.tables.get(entry.number("relid"))
        if entry.number("rtekind") == From.RELATION
        else None
    )
    if table is None:
        return False
    fixed: set[int] = set()
    for part in parts:
        if part.kind != "OPEXPR" or part.number("opno") not in EQUALS:
            continue
        left, right = part.nodes("args")
        for column, value in ((left, right), (right, left)):
            ours = (
                column.kind == "VAR"
                and column.number("varno") == number
                and column.number("varlevelsup") == 0
            )
            if ours and all(_single(node, single) for node in walk(value)):
                fixed.add(column.number("varattno"))
    return any(_covers(index, fixed) for index in table.indexes)


def _covers(index: Index, fixed: set[int]) -> bool:
    return (
        index.unique
        and index.usable
        and not index.partial
        and 0 not in index.columns
        and set(index.columns) <= fixed
    )


def _single(node: Node, single: set[int]) -> bool:
    if node.kind == "SUBLINK":
        return False
    return node.kind != "VAR" or node.number("varlevelsup") > 0 or node.number("varno") in single
