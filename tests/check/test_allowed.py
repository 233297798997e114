"""The lists of harmless built-in functions and types, compared with the server."""

import asyncpg
import pytest

from service.check import allowed

FUNCTIONS = "SELECT oid::int4, oid::regprocedure::text FROM pg_proc WHERE oid < 10000"
TYPES = "SELECT oid::int4, format_type(oid, NULL) FROM pg_type WHERE oid < 10000"
TABLES = "SELECT oid::int4, oid::regclass::text FROM pg_class WHERE oid < 10000"


@pytest.mark.parametrize(
    ("listed", "query"),
    [
        (allowed.GLOBAL_FUNCTIONS, FUNCTIONS),
        (allowed.CONSTANT_TYPES | allowed.GLOBAL_TYPES, TYPES),
        (allowed.CATALOGUE, TABLES),
    ],
    ids=["functions", "types", "tables"],
)
async def test_listed_numbers_are_what_the_catalogue_has(
    listed: dict[int, str], query: str, session: asyncpg.Connection
) -> None:
    """Each listed number stands for its listed object, or this version has neither."""
    real: dict[int, str] = dict(map(tuple, await session.fetch(query)))
    known = {number: real[number] for number in listed if number in real}
    assert known == {number: listed[number] for number in known}
    assert {listed[number] for number in listed.keys() - real.keys()}.isdisjoint(real.values())
