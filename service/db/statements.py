"""Load the `.sql` files: one statement a file, named by its path."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from . import SQL
from .fields import SHAPES_FILE, Shape, ShapeError, shapes_of
from .header import NO_SHAPES, Header, HeaderError, parse
from .scanner import ScanError, Token, scan
from .statement import Statement, location


class StatementsError(Exception):
    """The folder has faults. The message has one line for each, with `file:line:col`."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


_WRITING = frozenset({"insert", "update", "delete", "merge", "into"})
"""Words of statements that write or lock. A test compares this with the server's trees."""

_NAME = re.compile(r"[a-z0-9_]+(?:/[a-z0-9_]+)*")


def load(folder: Path) -> Mapping[str, Statement]:
    """Load every `.sql` file below the folder, by name. Raises StatementsError with all faults."""
    shapes = load_shapes(folder)
    statements: dict[str, Statement] = {}
    faults: list[str] = []
    for path in sorted(folder.rglob("*.sql")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        try:
            statements[name] = read(name, path.read_bytes(), f"{folder.name}/{name}.sql", shapes)
        except StatementsError as error:
            faults += error.faults
    if not statements and not faults:
        faults.append(f"{folder}: no statements here")
    if faults:
        raise StatementsError(faults)
    return statements


@cache
def shipped() -> Mapping[str, Statement]:
    """Return the service's own statements, loaded once. Raises StatementsError."""
    return load(SQL)


def load_shapes(folder: Path) -> Mapping[str, Shape]:
    """Load the shapes of a folder's `shapes.txt`, if it has one. Raises StatementsError."""
    path = folder / SHAPES_FILE
    if not path.is_file():
        return NO_SHAPES
    file = f"{folder.name}/{SHAPES_FILE}"
    try:
        return shapes_of(_decoded(path.read_bytes(), file).splitlines())
    except ShapeError as error:
        raise StatementsError([f"{file}:{error.line}:1: {error}"]) from None


def read(
    name: str, content: bytes, file: str, shapes: Mapping[str, Shape] = NO_SHAPES
) -> Statement:
    """Return one statement from the bytes of its file. Raises StatementsError."""
    source = _decoded(content, file)
    try:
        if source.startswith("\ufeff"):
            raise ScanError(0, "a byte order mark; save the file as plain UTF-8")
        if "\x00" in source:
            raise ScanError(source.index("\x00"), "a NUL character")
        header = parse(source, shapes)
        if header.name != name:
            raise HeaderError(1, f"the first line names {header.name!r}; the path says {name!r}")
        if not _NAME.fullmatch(name):  # it goes into a comment in the text
            raise HeaderError(1, f"the name {name!r} has other characters than a-z, 0-9 and _")
        tokens = [*scan(source)]
        text, shifts = _numbered(tokens, source, header)
        words = [token.text.lower() for token in tokens if token.kind == "word"]
    except HeaderError as error:
        raise StatementsError([f"{file}:{error.line}:1: {error}"]) from None
    except ScanError as error:
        raise StatementsError([f"{location(file, source, error.offset)}: {error}"]) from None
    return Statement(header, file, source, text, _only_reads(words), shifts)


def _decoded(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        readable = content[: error.start].decode("utf-8")
        raise StatementsError([f"{location(file, readable, len(readable))}: not UTF-8"]) from None


def _only_reads(words: Sequence[str]) -> bool:
    """Return whether no word of it writes or locks; a name like such a word counts, to be safe."""
    return words[:1] in (["select"], ["with"]) and _WRITING.isdisjoint(words)


def _numbered(
    tokens: Sequence[Token], source: str, header: Header
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the text as sent, and the shifts that map its offsets to those of the file."""
    numbers = {
        parameter.name: number for number, parameter in enumerate(header.parameters, start=1)
    }
    used: set[str] = set()
    pieces: list[str] = []
    shifts: list[tuple[int, int]] = []
    length, ended, empty = 0, False, True
    for token in tokens:
        piece = token.text
        if token.kind not in ("space", "comment", "block"):
            if ended:
                raise ScanError(token.offset, "a second statement; one statement a file")
            if empty and token.kind == "word":
                # Since 18 pg_stat_statements drops comments before the first word, not this one.
                piece += f" /* {header.name} */"
            ended, empty = token.kind == "end", False
        if token.kind in ("positional", "parameter"):
            piece = _number(token, numbers)
            used.add(token.text[1:])
        length += len(piece)
        if piece != token.text:
            shifts.append((length, token.offset + len(token.text)))
        pieces.append(piece)
    if empty:
        raise ScanError(len(source), "there is no statement in this file")
    for unused in (name for name in numbers if name not in used):
        raise HeaderError(header.lines["params"], f"the statement never uses :{unused}")
    return "".join(pieces), tuple(shifts)


def _number(token: Token, numbers: Mapping[str, int]) -> str:
    if token.kind == "positional":
        raise ScanError(token.offset, f"{token.text} is positional; write :name")
    parameter = token.text[1:]
    if parameter not in numbers:
        raise ScanError(token.offset, f"the header's `params` do not list {parameter}")
    return f"${numbers[parameter]}"
