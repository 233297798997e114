"""Compare a statement's columns with the TypedDict that a handler builds from its rows."""

import types
from collections.abc import Iterator
from datetime import datetime
from typing import Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from ..db.fields import Field
from ..db.statement import Statement
from .findings import Fault
from .positions import where

_TYPES: dict[str, object] = {
    "bool": bool,
    "bytea": bytes,
    "float8": float,
    "int2": int,
    "int4": int,
    "int8": int,
    "text": str,
    "text[]": list[str],
    "timestamptz": datetime,
    "uuid": UUID,
}


def faults(statement: Statement, answer: type | None) -> Iterator[Fault]:
    """Yield a fault for each member of the answer that lacks a fitting column."""
    if answer is None:
        return
    columns = {column.name: column for column in statement.header.columns}
    for member, hint in get_type_hints(answer).items():
        text = _difference(member, hint, columns.get(member), padded=statement.rows == "many")
        if text:
            line = statement.header.lines["returns"]
            yield Fault(
                statement.name,
                where(statement, line=line),
                "answer",
                f"{answer.__name__}.{member}: {text}",
            )


def _difference(member: str, hint: object, column: Field | None, *, padded: bool) -> str:
    """Return why the column does not fit, or "". A `padded` column is NULL if its row is absent."""
    if column is None:
        return f"the statement has no such column: return {member}, or drop it from the answer"
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = tuple(str if get_origin(kind) is Literal else kind for kind in kinds)
    if _TYPES.get(column.type) not in kinds:
        return f"the column is {column.type}, which no type in the answer takes"
    if column.nullable and types.NoneType not in kinds and not padded:
        return "the column can be NULL, the answer can't: add `| None`, or COALESCE it"
    return ""
