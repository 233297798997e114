"""Parse the parameters and columns of headers, and the shapes that headers share.

`sql/shapes.txt` declares the shapes; sql/README.md has the grammar.
"""

import keyword
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .types import TYPES

SHAPES_FILE = "shapes.txt"

_COMMENT = "--"
_SHAPE = re.compile(r"(?P<name>\S+):\s+(?P<fields>\S.*)")
_SHAPE_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
_USE = re.compile(r"(?P<name>[A-Z][A-Za-z0-9]*)(?P<optional>\?)?")
_FIELD = re.compile(
    r"(?P<name>[a-z_][a-z0-9_]*)\s+(?P<type>[a-z_][a-z0-9_]*(?: [a-z]+)*(?:\[\])?)(?P<optional>\?)?"
)


class Field(NamedTuple):
    """A parameter or a result column, with the catalogue's name of its type."""

    name: str
    type: str
    nullable: bool

    def __str__(self) -> str:
        return f"{self.name} {self.type}{'?' if self.nullable else ''}"


class Use(NamedTuple):
    """A shape in a list. `optional`: its columns may be NULL, all together."""

    shape: str
    optional: bool
    fields: tuple[Field, ...]
    """The shape's own fields, as declared."""


Part = Field | Use
"""An item of a list."""


class Shape(NamedTuple):
    """Named columns, and the line of their declaration (from 1)."""

    name: str
    parts: tuple[Part, ...]
    line: int


class ShapeError(ValueError):
    """A syntax error in the file of shapes, at `line` (from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def shapes_of(lines: list[str]) -> dict[str, Shape]:
    """Parse the lines of `shapes.txt`; return the shapes by name. Raises ShapeError."""
    shapes: dict[str, Shape] = {}
    for number, text in _declarations(lines):
        match = _SHAPE.fullmatch(text)
        if match is None:
            raise ShapeError(number, "write `Name: column type, …`")
        name = match["name"]
        if not _SHAPE_NAME.fullmatch(name):
            raise ShapeError(number, f"a shape's name is like NewTask, not {name!r}")
        if name in shapes:
            raise ShapeError(number, f"the shape {name} is declared twice")
        try:
            shapes[name] = Shape(name, parts_of(match["fields"], shapes), number)
        except ValueError as error:
            raise ShapeError(number, f"{name}: {error}") from None
    return shapes


def _declarations(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield each declaration with its continuation lines, and its first line's number."""
    begun, text = 0, ""
    for number, line in enumerate(lines, start=1):
        if not text and (not line.strip() or line.startswith(_COMMENT)):
            continue
        begun, text = begun if text else number, f"{text} {line.strip()}".strip()
        if not text.endswith(","):
            yield begun, text
            text = ""
    if text:
        raise ShapeError(begun, "the declaration ends in a comma")


def parts_of(text: str, shapes: Mapping[str, Shape]) -> tuple[Part, ...]:
    """Parse a list of columns and shapes. Raises ValueError, also for a duplicate column."""
    parts = tuple(_part(piece.strip(), shapes) for piece in text.split(",")) if text else ()
    names: set[str] = set()
    for field in fields_of(parts):
        if field.name in names:
            raise ValueError(f"{field.name} is listed twice")
        names.add(field.name)
    return parts


def fields_of(parts: tuple[Part, ...]) -> tuple[Field, ...]:
    """Return the columns, with shapes spelt out."""
    fields: list[Field] = []
    for part in parts:
        if isinstance(part, Field):
            fields.append(part)
        else:
            fields += [
                field._replace(nullable=field.nullable or part.optional) for field in part.fields
            ]
    return tuple(fields)


def _part(piece: str, shapes: Mapping[str, Shape]) -> Part:
    use = _USE.fullmatch(piece)
    if use is not None:
        if use["name"] not in shapes:
            known = ", ".join(shapes) or "none"
            raise ValueError(f"no shape {use['name']} in {SHAPES_FILE}; there is {known}")
        fields = fields_of(shapes[use["name"]].parts)
        return Use(use["name"], use["optional"] is not None, fields)
    match = _FIELD.fullmatch(piece)
    if match is None:
        raise ValueError(
            f"cannot read {piece!r}; write `name type`, or `name type?` where it may be NULL"
        )
    if match["type"] not in TYPES:
        known = ", ".join(sorted(TYPES))
        raise ValueError(f"{match['name']}: unknown type {match['type']!r}; known: {known}")
    if keyword.iskeyword(match["name"]) or match["name"].startswith("__"):
        raise ValueError(f"{match['name']!r} cannot be a name in Python; rename it with AS")
    return Field(match["name"], match["type"], match["optional"] is not None)
