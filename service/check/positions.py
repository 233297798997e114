"""The position of a fault in its file."""

from functools import lru_cache

from ..db.scanner import Token, scan
from ..db.statement import Statement, location
from .trees import Node, walk


@lru_cache(maxsize=1)  # the rules ask for one statement after the other
def tokens(source: str) -> tuple[Token, ...]:
    """Return the tokens of a statement's file."""
    return tuple(scan(source))


def where(
    statement: Statement,
    node: Node | None = None,
    *,
    offset: int | None = None,
    line: int | None = None,
) -> str:
    """Return `file:line:col` of a node of the rewritten tree, of an offset in the file, of a header
    line, or of the statement's first word.
    """
    if line is not None:
        return f"{statement.file}:{line}:1"
    if offset is not None:
        return location(statement.file, statement.source, offset)
    if node is not None and (position := _position(statement, node)) is not None:
        return statement.locate(position + 1)
    return location(statement.file, statement.source, _first_word(statement))


def where_table(statement: Statement, table: str, alias: str = "") -> str:
    """Return `file:line:col` of a table: where its alias follows it, else its first mention."""
    words = [token for token in tokens(statement.source) if token.kind in ("word", "quoted")]
    named = [number for number, token in enumerate(words) if token.text.strip('"').lower() == table]
    for number in named:
        after = [word.text.strip('"').lower() for word in words[number + 1 : number + 3]]
        if alias in (after[1:] if after[:1] == ["as"] else after[:1]):
            return where(statement, offset=words[number].offset)
    return where(statement, offset=words[named[0]].offset) if named else where(statement)


def alias_of(entry: Node) -> str:
    """Return the statement's name for the table."""
    name = entry.node("eref")
    return name.text("aliasname") if name else ""


def _position(statement: Statement, node: Node) -> int | None:
    """Return the offset, in characters, of the leftmost node below it that has a location."""
    found = [
        child.number("location")
        for child in walk(node)
        if isinstance(child.value("location"), str) and child.number("location") >= 0
    ]
    if not found:
        return None
    own = node.number("location") if isinstance(node.value("location"), str) else -1
    at = own if own >= 0 else min(found)
    return len(statement.text.encode()[:at].decode(errors="ignore"))  # the server counts bytes


def _first_word(statement: Statement) -> int:
    return next(
        token.offset
        for token in tokens(statement.source)
        if token.kind not in ("space", "comment", "block")
    )
