"""The check of each row that the tests' services read: it detects rows that break their header."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from service.db.fields import shapes_of
from service.db.statements import read
from tests.promised import breaches

SHAPES = shapes_of(["Note: id uuid, body text?, at timestamptz"])
STATEMENT = read(
    "t/a",
    b"-- t/a: a test.\n-- params: owner_id text\n-- returns: many (n int4, m int4?, Note?)\n"
    b"SELECT :owner_id;",
    "sql/t/a.sql",
    SHAPES,
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((1, 2, ID, "", NOW), []),
        ((1, None, ID, None, NOW), []),
        ((1, 2, None, None, None), []),
        ((None, 2, ID, "", NOW), ["n is NULL"]),
        (("1", 2, ID, "", NOW), ["n is of type str"]),
        ((1, 2**31, ID, "", NOW), ["m is of type int"]),
        ((1, 2, ID, "", None), ["of Note only at are NULL"]),
        ((1, 2, None, "", None), ["of Note only at, id are NULL"]),
        ((1, 2, ID, None, None), ["of Note only at, body are NULL"]),
    ],
)
def test_a_row_that_breaks_its_header_is_found(
    values: tuple[object, ...], found: list[str]
) -> None:
    """NULLs, types, and shapes that are partly there are found."""
    row = dict(zip(["n", "m", "id", "body", "at"], values, strict=True))
    assert list(breaches(STATEMENT, row)) == found


def test_the_columns_must_be_the_headers_in_order() -> None:
    """The columns are the header's, in its order, none left out."""
    assert list(breaches(STATEMENT, {"m": 1, "n": 1})) == ["columns m, n"]
