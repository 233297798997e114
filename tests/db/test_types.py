"""The Python values that a parameter's type, the driver and the server accept."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import get_args, get_origin
from uuid import UUID

import asyncpg
import pytest

from service.db.types import TYPES, FastUUID

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


class Nowhere(tzinfo):
    """A zone that does not know its offset: with it a time is as naive as without."""

    def utcoffset(self, _: datetime | None) -> timedelta | None:
        return None

    dst = utcoffset

    def tzname(self, _: datetime | None) -> str | None:
        return None


GOOD: dict[str, list[object]] = {
    "bool": [True, False],
    "bytea": [b"", b"\x00\xff"],
    "float8": [0.5, -1e300, float("inf")],
    "int2": [-(2**15), 2**15 - 1],
    "int4": [-(2**31), 2**31 - 1],
    "int8": [-(2**63), 2**63 - 1],
    "jsonb": ['{"a": null}', "[]"],
    "text": ["", "é\U0001f600", "'; --"],
    "text[]": [[], ["a", ""]],
    "timestamptz": [NOON, datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)],
    "uuid": [ID, FastUUID(str(ID))],
    "uuid[]": [[], [ID]],
}
BAD: dict[str, list[object]] = {
    "bool": [1, 0, "true"],
    "bytea": ["a", bytearray(b"a"), 1],
    "float8": [1, "1.5", True],
    "int2": [-(2**15) - 1, 2**15, True, 1.0, "1"],
    "int4": [-(2**31) - 1, 2**31, True, 1.0, "1"],
    "int8": [-(2**63) - 1, 2**63, True, 1.0, "1"],
    "jsonb": [{"a": 1}, b"{}"],
    "text": [b"a", 1, ID],
    "text[]": ["a", ("a",), [1], [None], [["a"]]],
    "timestamptz": [
        NOON.replace(tzinfo=None),
        NOON.replace(tzinfo=Nowhere()),
        NOON.date(),
        "2026-01-01",
        0,
    ],
    "uuid": [str(ID), ID.bytes, ID.int],
    "uuid[]": [ID, [str(ID)], (ID,)],
}


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in BAD.items() for value in [*values, None]]
)
def test_values_of_another_type_are_refused(kind: str, value: object) -> None:
    """Neighbouring types, numbers out of range, times without a zone and None are refused: nothing
    is converted silently.
    """
    assert not TYPES[kind].accepts(value)


@pytest.fixture
async def server(server_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server_dsn)
    yield connection
    await connection.close()


async def test_accepted_values_round_trip(server: asyncpg.Connection) -> None:
    """Every accepted value, limits included, comes back from PostgreSQL as it was sent."""
    for kind, values in GOOD.items():
        for value in values:
            assert TYPES[kind].accepts(value), (kind, value)
            assert await server.fetchval(f"SELECT $1::{kind}", value) == value


async def test_type_names_are_postgresqls(server: asyncpg.Connection) -> None:
    """Every type is tested here, and has PostgreSQL's own name."""
    assert set(GOOD) == set(BAD) == set(TYPES)
    statement = await server.prepare(
        "SELECT typname, typcategory FROM pg_type WHERE oid = $1::text::regtype"
    )
    for kind in TYPES:
        row = await statement.fetchrow(kind)
        assert row is not None
        assert row["typname"] == (f"_{kind[:-2]}" if kind.endswith("[]") else kind)


@pytest.mark.parametrize("name", TYPES)
def test_mypys_type_is_the_class_that_is_accepted(name: str) -> None:
    """The name in the generated types is the class of the accepted values."""
    python = eval(TYPES[name].python, {"datetime": datetime, "UUID": UUID})
    for value in GOOD[name]:
        assert isinstance(value, get_origin(python) or python)
        items = value if isinstance(value, list) else []
        assert all(isinstance(item, get_args(python)) for item in items)


@pytest.mark.parametrize("name", TYPES)
def test_a_class_accepted_unchecked_has_only_accepted_values(name: str) -> None:
    """What is accepted by its class alone would be accepted if it were checked."""
    sure = TYPES[name].sure
    assert all(type(value) not in sure for value in BAD[name])
    assert set(sure) <= {*map(type, GOOD[name])}
