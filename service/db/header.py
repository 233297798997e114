"""Parse the header of a statement file: the comment lines at its top.

sql/README.md has the grammar.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from .fields import Field, Part, Shape, fields_of, parts_of

NO_SHAPES: Mapping[str, Shape] = {}

Rows = Literal["one", "maybe", "many", "count"]

_ROWS: tuple[Rows, ...] = get_args(Rows)
_KEYS = ("params", "returns", "index", "global", "repeatable")
_NEWLINE = re.compile(r"\r\n|\r|\n")  # PostgreSQL's; str.splitlines() has more
_TITLE = re.compile(r"--\s(?P<name>\S+):\s+(?P<purpose>\S.*)")
_ENTRY = re.compile(r"--\s(?P<key>[\w-]+):\s*(?P<value>.*)")
_RETURNS = re.compile(
    r"(?P<rows>\w+)(?:\s*\((?P<columns>.*)\)|\s+(?P<shape>[A-Z]\w*\??))?", re.DOTALL
)


class HeaderError(ValueError):
    """A syntax error in a header, at `line` (from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header. `lines` has the line number of each key (from 1)."""

    name: str
    purpose: str
    takes: tuple[Part, ...]
    """The parameters as written, shapes by name."""
    parameters: tuple[Field, ...]
    """The same, with shapes spelt out."""
    rows: Rows
    gives: tuple[Part, ...]
    """The columns as written, shapes by name."""
    columns: tuple[Field, ...]
    """The same, with shapes spelt out."""
    indexes: tuple[str, ...]
    global_because: str | None
    repeatable_because: str | None
    lines: dict[str, int]


def parse(text: str, shapes: Mapping[str, Shape] = NO_SHAPES) -> Header:
    """Parse the header at the top of `text`, which may use `shapes`. Raises HeaderError."""
    lines = _NEWLINE.split(text)
    title = _TITLE.fullmatch(lines[0].rstrip())
    if title is None:
        raise HeaderError(1, "the first line must be `-- <folder>/<file>: <what it does>`")
    entries, line_of = _entries(lines)
    if "returns" not in entries:
        raise HeaderError(1, "the header has no `returns`")
    rows, gives = _returns(entries["returns"], line_of["returns"], shapes)
    takes = _parts(entries.get("params", ""), line_of.get("params", 1), shapes)
    _check_owner(takes, entries, line_of.get("params", 1))
    indexes = (
        tuple(name.strip() for name in entries["index"].split(",")) if "index" in entries else ()
    )
    return Header(
        name=title["name"],
        purpose=title["purpose"],
        takes=takes,
        parameters=fields_of(takes),
        rows=rows,
        gives=gives,
        columns=fields_of(gives),
        indexes=indexes,
        global_because=entries.get("global"),
        repeatable_because=entries.get("repeatable"),
        lines=line_of,
    )


def _entries(lines: list[str]) -> tuple[dict[str, str], dict[str, int]]:
    """Return the `key: value` lines after the title, and the line number of each."""
    entries: dict[str, str] = {}
    line_of: dict[str, int] = {}
    key = ""
    for number, line in enumerate(lines[1:], start=2):
        if not line.startswith("--") or line.rstrip() == "--":
            break
        if key and entries[key].endswith(","):
            entries[key] += " " + line[2:].strip()
            continue
        entry = _ENTRY.fullmatch(line.rstrip())
        if entry is None:
            raise HeaderError(number, "not a header line; free text comes after an empty `--` line")
        key = entry["key"]
        if key not in _KEYS:
            raise HeaderError(number, f"unknown header {key!r}; there are {', '.join(_KEYS)}")
        if key in entries:
            raise HeaderError(number, f"the header {key!r} stands here for the second time")
        if not entry["value"]:
            raise HeaderError(number, f"the header {key!r} is empty")
        entries[key], line_of[key] = entry["value"], number
    if key and entries[key].endswith(","):
        raise HeaderError(line_of[key], f"the header {key!r} ends in a comma")
    return entries, line_of


def _returns(value: str, line: int, shapes: Mapping[str, Shape]) -> tuple[Rows, tuple[Part, ...]]:
    match = _RETURNS.fullmatch(value)
    rows = next((rows for rows in _ROWS if match and match["rows"] == rows), None)
    if match is None or rows is None:
        raise HeaderError(
            line, "`returns` is `count`, or `one`, `maybe` or `many` with (columns) or a shape"
        )
    columns = _parts(match["columns"] or match["shape"] or "", line, shapes)
    if (rows == "count") != (not columns):
        raise HeaderError(
            line, "`count` has no columns; `one`, `maybe` and `many` list theirs in parentheses"
        )
    return rows, columns


def _parts(value: str, line: int, shapes: Mapping[str, Shape]) -> tuple[Part, ...]:
    try:
        return parts_of(value, shapes)
    except ValueError as error:
        raise HeaderError(line, str(error)) from None


def _check_owner(parts: tuple[Part, ...], entries: dict[str, str], line: int) -> None:
    """Require owner_id as the first parameter, outside any shape, or a reason why there is none."""
    named = any(field.name == "owner_id" for field in fields_of(parts))
    if "global" in entries:
        if named:
            raise HeaderError(line, "a `global` statement has no owner_id; drop one of the two")
    elif not named:
        raise HeaderError(
            line, "no owner_id: list `owner_id text` first in `params`, or say `global: <why>`"
        )
    elif parts[0] != Field("owner_id", "text", nullable=False):
        raise HeaderError(line, "owner_id must be the first parameter, as `owner_id text`")
