"""The proof that a statement reads the caller's rows and nobody else's.

Claim: for a statement without faults, what it answers and what it writes depends only on its
arguments, the clock, chance, the session's settings, and those rows of owned tables whose owner_id
equals the first argument.

1. What the statement means is one query tree: names resolved, views expanded, rules applied, column
   defaults filled in (`server`, the server's own rewritten tree). It contains only node kinds we
   know; its operators, functions and types are PostgreSQL's own, the functions immutable or listed
   as reading nothing, the types those that hold values only; its tables are plain and owned, none
   of their system columns is read (`objects`). So rows come into it through owned tables alone, and
   all expressions are functions of them.

   What tells that tree from all else that the server shows is its CONTEXT, which is empty. While it
   parses and plans a statement, the server may run others: a constant call of a function in SQL is
   folded (`round(1.5)`, in the statement or in an index, statistics or a CHECK beside a table), a
   constant of a type with a CHECK is tried. Each such tree is shown before the statement's own, and
   with the CONTEXT of what ran it, as is whatever a function raises itself: all languages and SPI
   set one. Only the session's own commands have none. Those are one PREPARE or Parse in each
   question (types that are new to the driver are asked for before), so one tree of the kind is
   what there must be: none (a function switched the showing off) or more, and nothing is known.

2. PostgreSQL planned that tree with the parameters unknown (plan_cache_mode = force_generic_plan),
   so that the plan computes the answer for all arguments, while the schema stands. The plan has
   only node kinds that we know; those that read a table are index scans of an owned table with
   `owner_id = $1` among their index conditions. That equality is recognised by numbers: operator 98
   (text = text), that index column, the external parameter 1: not a parameter that holds a
   sub-select's result, not an operator, function or column that only looks alike.

3. Such a scan yields rows with `owner_id = $1` alone: its index is a valid B-tree with PostgreSQL's
   own comparison under a collation that is deterministic, where equal means identical (`tables`).
   All other plan nodes compute from what the scans yield. Hence this plan answers from those rows.
   Any other valid plan of the same tree gives the same answer, also one that reads more on its way:
   what is chosen in production, where scans are not switched off, does not matter.

4. Rows that are written were read by such scans (UPDATE, DELETE, FOR UPDATE), or are new and have
   `$1` as owner_id (INSERT), or are met through a unique index that contains owner_id (ON
   CONFLICT); owner_id is never set (`writes`), nor computed by the table. A row once written stays
   its owner's. Nothing else runs with a write: no triggers, rules, cascades across owners,
   sequences; and defaults, CHECKs and indexes are made of what statements may be made of
   (`tables`). A duplicate-key error speaks of the owner's own row, as every unique index starts
   with owner_id.

Outside the claim: how long a statement takes; an error (a division by zero, say) that another plan
meets in rows which it reads on its way and then drops; locks on whole tables; what a superuser does
to PostgreSQL's own functions or to an index's files; a role whose settings, search_path above all,
make another statement of the same text.
"""

from collections.abc import Iterator

from ..db.statements import Statement
from .catalogue import OWNER, TEXT, TEXT_EQUALS, Catalogue, Index, Table
from .findings import Fault
from .positions import alias_of, table_place, where
from .trees import Node, TreeError, names, walk

INDEX_VAR = -3  # varno of a column of the index being scanned
EXTERN = 0  # paramkind of $n

_READS_NO_TABLE = names("""
    RESULT PROJECTSET MODIFYTABLE APPEND MERGEAPPEND RECURSIVEUNION SUBQUERYSCAN FUNCTIONSCAN
    VALUESSCAN CTESCAN WORKTABLESCAN NESTLOOP MERGEJOIN HASHJOIN MATERIAL MEMOIZE SORT
    INCREMENTALSORT GROUP AGG WINDOWAGG UNIQUE HASH SETOP LOCKROWS LIMIT GATHER GATHERMERGE
    """)
_INDEX_SCANS = frozenset({"INDEXSCAN", "INDEXONLYSCAN"})
_SCANS = {
    "SEQSCAN": "all its rows are read",
    "BITMAPHEAPSCAN": "several index conditions are combined",
    "TIDSCAN": "rows are picked by ctid",
    "TIDRANGESCAN": "rows are picked by ctid",
}


def faults(statement: Statement, plan: Node, catalogue: Catalogue) -> Iterator[Fault]:
    """Every reading of an owned table that is not bound to the owner, and all that can't be
    judged.
    """
    for node in _plan_nodes(plan):
        if node.kind in _READS_NO_TABLE:
            if _prunes(node):
                yield Fault(
                    statement.name,
                    where(statement),
                    "owner",
                    "leaves partitions out at run time: use one plain table",
                )
            continue
        if not node.has("scanrelid"):
            yield Fault(
                statement.name,
                where(statement),
                "owner",
                f"the plan has a {node.kind}, unknown to the proof",
            )
            continue
        entry = _entry(plan, node.number("scanrelid"))
        table = catalogue.tables.get(entry.number("relid")) if entry.has("relid") else None
        if table is None or not table.owned:
            text = f"the plan has a {node.kind} of something that is no owned table"
            yield Fault(statement.name, where(statement), "owner", text)
            continue
        yield from _scan(statement, node, table, entry, catalogue)


def indexes(plan: Node, catalogue: Catalogue) -> list[tuple[Table, Index]]:
    """The indexes of owned tables that the plan reads, each once, in its order."""
    found = (
        catalogue.index(node.number("indexid")) for node in _plan_nodes(plan) if node.has("indexid")
    )
    return list(
        {pair[1].oid: pair for pair in found if pair is not None and pair[0].owned}.values()
    )


def _scan(
    statement: Statement, node: Node, table: Table, entry: Node, catalogue: Catalogue
) -> Iterator[Fault]:
    if _is_bitmap_part(node):
        return  # its heap scan has been reported
    place, alias = table_place(statement, table.name, alias_of(entry)), alias_of(entry)
    cure = (
        f"write `{alias}.{OWNER} = :{OWNER}` once, in the WHERE or ON of its own SELECT; not below"
        " OR, a cast or a function"
    )
    if node.kind not in _INDEX_SCANS:
        how = _SCANS.get(node.kind, f"by a {node.kind}")
        yield Fault(
            statement.name,
            place,
            "owner",
            f"{table.name} ({alias}) is not bound to the owner: {how}; {cure}",
        )
        return
    found = catalogue.index(node.number("indexid"))
    if found is None or not (found[1].sound and found[1].usable):
        yield Fault(
            statement.name,
            place,
            "owner",
            f"{table.name} ({alias}) is read by an index that is not a plain, valid B-tree",
        )
    elif not _bound(node, table, found[1]):
        how = f"{found[1].name} is searched without it"
        yield Fault(
            statement.name,
            place,
            "owner",
            f"{table.name} ({alias}) is not bound to the owner: {how}; {cure}",
        )
    elif found[1].columns[0] != _owner_number(table):
        text = (
            f"{table.name} ({alias}) is read by {found[1].name}, which does not start with"
            " owner_id: make an index that does"
        )
        yield Fault(statement.name, place, "index", text)


def _bound(node: Node, table: Table, index: Index) -> bool:
    """Whether `owner_id = $1` is among the conditions that the index is searched by."""
    for condition in node.nodes("indexqual"):
        if condition.kind == "OPEXPR" and condition.number("opno") == TEXT_EQUALS:
            left, right = condition.nodes("args")
            if (
                left.kind == "VAR"
                and left.number("varno") == INDEX_VAR
                and index.columns[left.number("varattno") - 1] == _owner_number(table)
                and is_owner_parameter(right)
            ):
                return True
    return False


def is_owner_parameter(node: Node) -> bool:
    """Whether it is `$1` itself, be it under the column's collation.

    The planner marks a text with a collation where it puts a value that one column is equal to in
    place of another column: the value is the same.
    """
    if node.kind == "RELABELTYPE" and node.number("resulttype") == TEXT:
        inner = node.value("arg")
        node = inner if isinstance(inner, Node) else node
    return (
        node.kind == "PARAM" and node.number("paramkind") == EXTERN and node.number("paramid") == 1
    )


def _owner_number(table: Table) -> int:
    assert table.owner is not None
    return table.owner.number


def _plan_nodes(plan: Node) -> Iterator[Node]:
    """Every node of the plan, sub-plans included: it is one if it has a place for a child."""
    return (node for node in walk(plan) if node.has("lefttree"))


def _prunes(node: Node) -> bool:
    """Does it pick partitions when it starts? A pointer up to PostgreSQL 15, a number from
    16 on.
    """
    return node.value("part_prune_info") is not None or (
        node.has("part_prune_index") and node.number("part_prune_index") >= 0
    )


def _is_bitmap_part(node: Node) -> bool:
    return node.kind == "BITMAPINDEXSCAN"


def _entry(plan: Node, index: int) -> Node:
    entries = plan.value("rtable")
    entry = entries[index - 1] if isinstance(entries, list) else None
    if not isinstance(entry, Node):
        raise TreeError(f"the plan has no range table entry {index}")
    return entry
