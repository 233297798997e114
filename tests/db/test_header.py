"""The header of a statement file."""

import pytest

from service.db.fields import Field
from service.db.header import HeaderError, parse

TITLE = "-- tasks/list: one page, newest first.\n"
OWNER = "-- params: owner_id text\n"
COUNT = "-- returns: count\n"


def test_a_header_with_every_key_is_read_with_its_places() -> None:
    """Every key, continued lines and optional marks are read, and where each key stands."""
    header = parse(
        "-- tasks/list: one page: newest first.\r\n"
        "-- params:  owner_id text, completed bool?,\r\n"
        "--          ids uuid[] , page_size int4\n"
        "-- returns: many (id uuid, title text?, tags text[]?,\n"
        "--          at timestamptz)\n"
        "-- index:   tasks_newest, tasks_pkey\n"
        "--\n"
        "-- params: of the free text\n"
        "SELECT 1;"
    )
    assert (header.name, header.purpose) == ("tasks/list", "one page: newest first.")
    assert list(map(str, header.parameters)) == [
        "owner_id text",
        "completed bool?",
        "ids uuid[]",
        "page_size int4",
    ]
    assert header.parameters[1] == Field("completed", "bool", nullable=True)
    assert header.rows == "many"
    assert list(map(str, header.columns)) == [
        "id uuid",
        "title text?",
        "tags text[]?",
        "at timestamptz",
    ]
    assert header.indexes == ("tasks_newest", "tasks_pkey")
    assert header.global_because is None
    assert header.lines == {"params": 2, "returns": 4, "index": 6}


@pytest.mark.parametrize(
    ("returns", "rows", "columns"),
    [
        ("one (a int4)", "one", ["a int4"]),
        ("maybe(a int4)", "maybe", ["a int4"]),
        ("many  ( a int4 , b text? )", "many", ["a int4", "b text?"]),
        ("count", "count", []),
    ],
)
def test_returns_is_one_of_four_kinds(returns: str, rows: str, columns: list[str]) -> None:
    """Three kinds of `returns` list their columns, `count` has none."""
    header = parse(f"{TITLE}{OWNER}-- returns: {returns}\n")
    assert (header.rows, list(map(str, header.columns))) == (rows, columns)


def test_a_global_statement_has_a_reason_instead_of_an_owner() -> None:
    """Instead of an owner there may be a reason, with parameters or without."""
    header = parse(
        f"{TITLE}-- global: about the schema, not about rows\n-- params: key int8\n{COUNT}"
    )
    assert header.global_because == "about the schema, not about rows"
    assert header.parameters == (Field("key", "int8", nullable=False),)
    assert parse(f"{TITLE}-- global: asks nobody\n{COUNT}").parameters == ()


def test_a_repeatable_statement_has_a_reason() -> None:
    """A repeatable statement has a reason; any other has none."""
    assert (
        parse(f"{TITLE}{OWNER}{COUNT}-- repeatable: it sets what it is given\n").repeatable_because
        == "it sets what it is given"
    )
    assert parse(f"{TITLE}{OWNER}{COUNT}").repeatable_because is None


FIRST = "the first line must be `-- <folder>/<file>: <what it does>`"
KNOWN = "there are params, returns, index, global, repeatable"
FREE = "not a header line; free text comes after an empty `--` line"
RETURNS = "`returns` is `count`, or `one`, `maybe` or `many` with (columns) or a shape"
COLUMNS = "`count` has no columns; `one`, `maybe` and `many` list theirs in parentheses"
NOT_FIRST = "owner_id must be the first parameter, as `owner_id text`"
NO_OWNER = "no owner_id: list `owner_id text` first in `params`, or say `global: <why>`"
FIELDS = "write `name type`, or `name type?` where it may be NULL"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, FIRST),
        ("\n" + TITLE, 1, FIRST),
        ("--tasks/list: x", 1, FIRST),
        ("-- tasks/list:", 1, FIRST),
        ("-- tasks list: x", 1, FIRST),
        ("SELECT 1;", 1, FIRST),
        ("/* tasks/list: x */", 1, FIRST),
        (TITLE, 1, "the header has no `returns`"),
        (f"{TITLE}--\n{OWNER}{COUNT}", 1, "the header has no `returns`"),
        (f"{TITLE}SELECT 1;\n{OWNER}{COUNT}", 1, "the header has no `returns`"),
        (f"{TITLE[:-1]}\rSELECT 1; {OWNER}{COUNT}", 1, "the header has no `returns`"),
        (f"{TITLE[:-1]}\u2028{OWNER}{COUNT}", 1, NO_OWNER),
        (f"{TITLE}{OWNER}{COUNT}-- more words\n", 4, FREE),
        (f"{TITLE}{OWNER}{COUNT}--index: a\n", 4, FREE),
        (
            f"{TITLE}{OWNER}{COUNT}-- retruns: count\n",
            4,
            f"unknown header 'retruns'; {KNOWN}",
        ),
        (
            f"{TITLE}{OWNER}{COUNT}-- Index: a\n",
            4,
            f"unknown header 'Index'; {KNOWN}",
        ),
        (
            f"{TITLE}{OWNER}{COUNT}{COUNT}",
            4,
            "the header 'returns' stands here for the second time",
        ),
        (f"{TITLE}{OWNER}{COUNT}-- index:\n", 4, "the header 'index' is empty"),
        (
            f"{TITLE}{COUNT}-- params: owner_id text,\nSELECT 1;",
            3,
            "the header 'params' ends in a comma",
        ),
        (
            f"{TITLE}{COUNT}-- params: owner_id text,\n--\n",
            3,
            "the header 'params' ends in a comma",
        ),
        (f"{TITLE}{OWNER}-- returns: several (a int4)\n", 3, RETURNS),
        (f"{TITLE}{OWNER}-- returns: many rows\n", 3, RETURNS),
        (f"{TITLE}{OWNER}-- returns: many (a int4\n", 3, RETURNS),
        (f"{TITLE}{OWNER}-- returns: many\n", 3, COLUMNS),
        (f"{TITLE}{OWNER}-- returns: one ()\n", 3, COLUMNS),
        (f"{TITLE}{OWNER}-- returns: count (a int4)\n", 3, COLUMNS),
        (f"{TITLE}{OWNER}-- returns: one (a)\n", 3, f"cannot read 'a'; {FIELDS}"),
        (f"{TITLE}{OWNER}-- returns: one (A text)\n", 3, f"cannot read 'A text'; {FIELDS}"),
        (f"{TITLE}{OWNER}-- returns: one (a text, a int4)\n", 3, "a is listed twice"),
        (f"{TITLE}-- params: owner_id text, n int4, n int4\n{COUNT}", 2, "n is listed twice"),
        (f"{TITLE}-- params: owner_id text, n ?\n{COUNT}", 2, f"cannot read 'n ?'; {FIELDS}"),
        (f"{TITLE}{COUNT}", 1, NO_OWNER),
        (f"{TITLE}{COUNT}-- params: id uuid\n", 3, NO_OWNER),
        (f"{TITLE}-- params: id uuid, owner_id text\n{COUNT}", 2, NOT_FIRST),
        (f"{TITLE}-- params: owner_id uuid\n{COUNT}", 2, NOT_FIRST),
        (f"{TITLE}-- params: owner_id text?\n{COUNT}", 2, NOT_FIRST),
        (
            f"{TITLE}-- global: x\n{OWNER}{COUNT}",
            3,
            "a `global` statement has no owner_id; drop one of the two",
        ),
    ],
)
def test_each_deviation_from_the_grammar_is_refused_on_its_line(
    text: str, line: int, message: str
) -> None:
    """Each deviation is refused on its line, in words that say what to write."""
    with pytest.raises(HeaderError) as raised:
        parse(text)
    assert (raised.value.line, str(raised.value)) == (line, message)


def test_an_unknown_parameter_type_lists_the_known_ones() -> None:
    """A parameter's type is one that calls can be checked against; the message shows them all."""
    with pytest.raises(
        HeaderError, match=r"^n: unknown type 'integer'; known: bool, .*, uuid\[\]$"
    ) as raised:
        parse(f"{TITLE}{COUNT}-- params: owner_id text,\n--   n integer\n")
    assert raised.value.line == 3
