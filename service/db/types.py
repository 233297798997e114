"""PostgreSQL types in headers, and the Python values that they accept."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from asyncpg.pgproto import pgproto

FastUUID: type[UUID] = pgproto.UUID
"""The driver's own UUID class, which parses text eight times faster."""


def _integer(bits: int) -> Callable[[object], bool]:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    # type(), not isinstance(): True is an int to Python, and never meant as one.
    return lambda value: type(value) is int and low <= value <= high


def _aware(value: object) -> bool:
    return isinstance(value, datetime) and value.utcoffset() is not None


def _text(value: object) -> bool:
    return isinstance(value, str)


def _list_of(accepts: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(accepts, value))


def _uuid(value: object) -> bool:
    return isinstance(value, UUID)


class Type(NamedTuple):
    """The Python values of a PostgreSQL type."""

    python: str
    """Their type hint."""
    sure: tuple[type, ...]
    """Values of exactly these classes are accepted; `accepts` decides about all others."""
    accepts: Callable[[object], bool]
    """Return whether the driver accepts this value."""


TYPES: dict[str, Type] = {
    "bool": Type("bool", (bool,), lambda value: isinstance(value, bool)),
    "bytea": Type("bytes", (bytes,), lambda value: isinstance(value, bytes)),
    "float8": Type("float", (float,), lambda value: isinstance(value, float)),
    "int2": Type("int", (), _integer(16)),
    "int4": Type("int", (), _integer(32)),
    "int8": Type("int", (), _integer(64)),
    "jsonb": Type("str", (str,), _text),  # JSON text: asyncpg passes it through
    "text": Type("str", (str,), _text),
    "text[]": Type("list[str]", (), _list_of(_text)),
    "timestamptz": Type("datetime", (), _aware),
    "uuid": Type("UUID", (FastUUID, UUID), _uuid),
    "uuid[]": Type("list[UUID]", (), _list_of(_uuid)),
}
"""By the type's short name in the catalogue."""
