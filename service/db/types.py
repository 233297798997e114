"""PostgreSQL types in headers, and the Python values that stand for them."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from asyncpg.pgproto import pgproto

FastUUID: type[UUID] = pgproto.UUID
"""The driver's own kind of UUID, which is read from a text in an eighth of the time."""


def _integer(bits: int) -> Callable[[object], bool]:
    bound = 1 << (bits - 1)
    # type() rather than isinstance(): True is an int to Python, and never what was meant.
    return lambda value: type(value) is int and -bound <= value < bound


def _aware(value: object) -> bool:
    return isinstance(value, datetime) and value.utcoffset() is not None


def _text(value: object) -> bool:
    return isinstance(value, str)


def _list_of(accepts: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(accepts, value))


def _uuid(value: object) -> bool:
    return isinstance(value, UUID)


ACCEPTS: dict[str, Callable[[object], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "bytea": lambda value: isinstance(value, bytes),
    "float8": lambda value: isinstance(value, float),
    "int2": _integer(16),
    "int4": _integer(32),
    "int8": _integer(64),
    "jsonb": _text,  # JSON text: asyncpg passes it through
    "text": _text,
    "text[]": _list_of(_text),
    "timestamptz": _aware,
    "uuid": _uuid,
    "uuid[]": _list_of(_uuid),
}
"""By the type's short name in the catalogue: does the driver take this value for it?"""

PYTHON = {
    "bool": "bool",
    "bytea": "bytes",
    "float8": "float",
    "int2": "int",
    "int4": "int",
    "int8": "int",
    "jsonb": "str",
    "text": "str",
    "text[]": "list[str]",
    "timestamptz": "datetime",
    "uuid": "UUID",
    "uuid[]": "list[UUID]",
}
"""The same types as Python's, for mypy."""
