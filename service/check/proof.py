"""The proof that a statement reads its owner's rows alone.

Claim: the result and the writes of a statement without faults depend only on its arguments, the
clock, chance, the session's settings, and the rows of owned tables whose owner_id equals `$1`.

1. The statement is one query tree: the server's rewritten tree (`server`), with names resolved,
   views expanded, rules applied and defaults filled in. It has only known node kinds, built-in
   operators, functions and types, and plain owned tables without their system columns. The
   functions are IMMUTABLE or listed as reading nothing, the types hold values alone (`objects`). So
   rows enter it through owned tables alone, and all expressions are functions of them.

   The statement's own tree is the one with an empty CONTEXT. While the server parses and plans a
   statement it may run others: it folds a constant call of an SQL function (`round(1.5)`, in the
   statement or in an index, statistics or a CHECK of a table), and tries a constant of a type with
   a CHECK. It prints those trees too, with the CONTEXT of the function that ran them; so is any
   message that a function raises, as SPI and all languages set a CONTEXT. Only the session's own
   commands have none, and each check sends one PREPARE or Parse (the driver looks up new types
   before). So there must be exactly one such tree. With none (a function switched the printing
   off) or several, the check fails.

2. PostgreSQL planned that tree with unknown parameters (plan_cache_mode = force_generic_plan), so
   the plan computes the result for all arguments while the schema stays. It has only known node
   kinds; those that read a table are index scans of an owned table with `owner_id = $1` among their
   index conditions. The equality is recognised by numbers: operator 98 (text = text), that index
   column, external parameter 1. A sub-select's parameter, or an operator, function or column of the
   same name, has other numbers.

3. Such a scan returns only rows with `owner_id = $1`: its index is a valid B-tree with a built-in
   comparison and a deterministic collation, so that equal means identical (`tables`). All other
   plan nodes compute from these rows, and so the result does. Any other valid plan of the same tree
   has the same result, even if it reads more rows; so production's plans, with all scans enabled,
   do not matter.

4. A written row was read by such a scan (UPDATE, DELETE, FOR UPDATE), or is new with `$1` as
   owner_id (INSERT), or conflicts in a unique index that contains owner_id (ON CONFLICT). Nothing
   sets owner_id (`modifications`), and no table computes it, so a row never changes its owner. No
   other code runs with a write: no triggers, rules, cascades across owners or sequences; defaults,
   CHECKs and indexes obey the rules of statements (`tables`). A duplicate-key error is about the
   owner's own row, as every unique index starts with owner_id.

Not in the claim: how long a statement takes; errors (a division by zero, say) of a plan that reads
rows and drops them; locks on whole tables; a superuser who changes built-in functions or index
files; a role whose settings, search_path above all, give the same text another meaning.
"""

from collections.abc import Iterator

from ..db.statement import Statement
from .catalogue import OWNER, TEXT, TEXT_EQUALS, Catalogue, Index, Table
from .findings import Fault
from .positions import alias_of, where, where_table
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
    """Yield a fault for each scan that is not bound to the owner, or that the proof does not
    know.
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
    """Return the indexes of owned tables that the plan reads, each once, in its order."""
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
    place, alias = where_table(statement, table.name, alias_of(entry)), alias_of(entry)
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
    """Return whether `owner_id = $1` is among the index conditions."""
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
    """Return whether it is `$1` itself, perhaps relabelled with a collation.

    The planner does that when it substitutes one column's value for another: the value is the same.
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
    """Yield every node of the plan, sub-plans included: the nodes with a field for a child."""
    return (node for node in walk(plan) if node.has("lefttree"))


def _prunes(node: Node) -> bool:
    """Return whether it prunes partitions at run time: a node up to PostgreSQL 15, a number
    since 16.
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
