"""Write service/db/shapes.py and typed.py, which type each statement for mypy: `make index`.

The headers are enough: no database is needed. With `Task?` among the columns a row is one of two
types: with the shape's columns, or with None in all of them. A test of a column that is NOT NULL in
Task tells mypy which one.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..db import SQL
from ..db.fields import Field, Part, Shape, Use, fields_of
from ..db.header import Rows
from ..db.statement import Statement
from ..db.statements import load, load_shapes
from ..db.types import TYPES

FOLDER = Path(__file__).parents[1] / "db"
ELSEWHERE = ("check/", "migrate/", "pool/")
"""Folders of statements that Queries does not run."""

MADE = "Made by `make index` from the headers in sql/."
WIDTH = 100
ANSWERS: dict[Rows, str] = {"one": "{}", "maybe": "{} | None", "many": "list[{}]", "count": "int"}


def shapes_module(statements: Mapping[str, Statement], shapes: Mapping[str, Shape]) -> str:
    """Return the text of service/db/shapes.py: shapes, rows and parameters as TypedDicts."""
    classes = [
        _typed_dict(shape.name, f"The shape `{shape.name}`.", shape.parts)
        for shape in shapes.values()
    ]
    called = _called(statements).values()
    absent = {use.shape: use for statement in called for use in _optional(statement.header.gives)}
    classes += [
        _typed_dict(
            f"No{name}",
            f"In place of the columns of a `{name}` that is not there.",
            fields_of((use,)),
            absent=True,
        )
        for name, use in sorted(absent.items())
    ]
    for statement in called:
        classes += [*_values(statement), *_row(statement)]
    imports = ["from typing import TypedDict"]
    text = "\n\n".join(classes)
    if "datetime" in text:
        imports.insert(0, "from datetime import datetime")
    if "UUID" in text:
        imports.append("from uuid import UUID")
    return f'"""What statements take and return. {MADE}"""\n\n' + "\n".join([*imports, "\n", text])


def typed_module(statements: Mapping[str, Statement]) -> str:
    """Return the text of service/db/typed.py: the four calls, with and without an owner."""
    called = _called(statements).values()
    protocols = [
        _protocol(kind, [statement for statement in called if statement.rows == kind], owned=owned)
        for owned in (False, True)
        for kind in ANSWERS
    ]
    text = "\n\n".join(protocols)
    used = [word for word in ("Literal", "Never", "Protocol", "Unpack", "overload") if word in text]
    return "\n".join(
        [
            f'"""The four calls, statement by statement. {MADE}"""',
            "",
            f"from typing import {', '.join(used)}",
            "",
            "from ..owner import Nobody, OwnerId",
            "from . import shapes",
            "",
            "",
            text,
        ]
    )


def _called(statements: Mapping[str, Statement]) -> dict[str, Statement]:
    return {
        name: statement
        for name, statement in sorted(statements.items())
        if not name.startswith(ELSEWHERE)
    }


def _camel(name: str) -> str:
    """Return TasksLockCreate for `tasks/lock_create`."""
    return "".join(word.capitalize() for word in name.replace("/", "_").split("_"))


def _optional(parts: Iterable[Part]) -> list[Use]:
    return [part for part in parts if isinstance(part, Use) and part.optional]


def _typed_dict(name: str, doc: str, parts: Iterable[Part], *, absent: bool = False) -> str:
    """Return a class that inherits the shapes among the parts and spells out the optional ones.
    `absent`: all its columns are None.
    """
    bases: list[str] = []
    fields: list[str] = []
    for part in parts:
        if isinstance(part, Use) and not part.optional:
            bases.append(part.shape)
        else:
            fields += [_member(field, absent=absent) for field in fields_of((part,))]
    body = [f'    """{doc}"""', *([""] if fields else []), *fields]
    return "\n".join([f"class {name}({', '.join(bases) or 'TypedDict'}):", *body, ""])


def _member(field: Field, *, absent: bool) -> str:
    optional = " | None" if field.nullable else ""
    return f"    {field.name}: {'None' if absent else TYPES[field.type].python + optional}"


def _own(statement: Statement) -> tuple[Part, ...]:
    """Return the parameters without the owner."""
    takes = statement.header.takes
    return takes if statement.header.global_because is not None else takes[1:]


def _alone(parts: tuple[Part, ...]) -> str | None:
    """Return the shape's name, if the parts are exactly one shape."""
    match parts:
        case (Use(shape, optional=False),):
            return shape
        case _:
            return None


def _values(statement: Statement) -> Iterator[str]:
    parts = _own(statement)
    if parts and _alone(parts) is None:
        doc = f"The parameters of `{statement.name}`."
        yield _typed_dict(f"{_camel(statement.name)}Values", doc, parts)


def _row(statement: Statement) -> Iterator[str]:
    gives, name = statement.header.gives, _camel(statement.name)
    doc = f"A row of `{statement.name}`."
    optional = _optional(gives)
    if not gives or _alone(gives) is not None:
        return
    if not optional:
        yield _typed_dict(f"{name}Row", doc, gives)
        return
    common = tuple(part for part in gives if part not in optional)
    if common:
        yield _typed_dict(f"_{name}", f"In each row of `{statement.name}`.", common)
    variants = []
    for present in itertools.product((True, False), repeat=len(optional)):
        states = list(zip(optional, present, strict=True))
        variants.append(
            name + "".join(f"{'With' if there else 'Without'}{use.shape}" for use, there in states)
        )
        bases = [f"_{name}"] * bool(common)
        bases += [use.shape if there else f"No{use.shape}" for use, there in states]
        yield f'class {variants[-1]}({", ".join(bases)}):\n    """{doc}"""\n'
    alias = f"{name}Row = {' | '.join(variants)}"
    if len(alias) > WIDTH:
        alias = f"{name}Row = (\n    " + "\n    | ".join(variants) + "\n)"
    yield f"{alias}\n"


def _protocol(kind: Rows, statements: list[Statement], *, owned: bool) -> str:
    """Return the type of one of the four calls: of Queries, or of Calls for one owner."""
    name = f"{'Calls' if owned else 'Queries'}{kind.capitalize()}"
    whose = "of calls for one owner" if owned else "of Queries"
    if owned:
        statements = [each for each in statements if each.header.global_because is None]
    head = f'class {name}(Protocol):\n    """`{kind}` {whose}."""\n\n'
    if not statements:
        return head + _method(["self", "name: Never", "/"], "Never", doc="There is none.")
    if len(statements) == 1:
        return head + _call(statements[0], owned=owned, doc="Run the only one there is.")
    return head + "\n".join(
        f"    @overload\n{_call(statement, owned=owned)}" for statement in statements
    )


def _call(statement: Statement, *, owned: bool, doc: str = "") -> str:
    name = _camel(statement.name)
    gives, takes = statement.header.gives, _own(statement)
    arguments = ["self", f'name: Literal["{statement.name}"]']
    if not owned:
        unowned = statement.header.global_because is not None
        arguments.append(f"owner: {'Literal[Nobody.NOBODY]' if unowned else 'OwnerId'}")
    arguments.append("/")
    if takes:
        arguments.append(f"**values: Unpack[shapes.{_alone(takes) or f'{name}Values'}]")
    answer = ANSWERS[statement.rows].format(f"shapes.{_alone(gives) or f'{name}Row'}")
    return _method(arguments, answer, doc)


def _method(arguments: list[str], answer: str, doc: str) -> str:
    """Return `__call__`, wrapped as the formatter does."""
    listed = ", ".join(arguments)
    body = f'\n        """{doc}"""\n' if doc else " ...\n"
    head = f"    async def __call__({listed}) -> {answer}:"
    if len(head + body.rstrip("\n").partition("\n")[0]) <= WIDTH:
        return head + body
    indent = "\n        "
    if len(indent + listed) > WIDTH:
        listed = f",{indent}".join(arguments) + ","
    return f"    async def __call__({indent}{listed}\n    ) -> {answer}:{body}"


def modules() -> dict[Path, str]:
    """Return the text of each module, by its file."""
    statements = load(SQL)
    return {
        FOLDER / "shapes.py": shapes_module(statements, load_shapes(SQL)),
        FOLDER / "typed.py": typed_module(statements),
    }


if __name__ == "__main__":
    for file, text in modules().items():
        file.write_text(text, "utf-8")
