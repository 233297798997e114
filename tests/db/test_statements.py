"""Loading statement files, hostile ones included, and finding the way back from a server's error to
the file.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.db import SQL
from service.db.statement import Statement
from service.db.statements import StatementsError, load, read
from service.owner import NOBODY, OwnerId

HEADER = "-- t/a: a test.\n-- params: owner_id text, n int4?\n-- returns: one (n int4)\n"
GLOBAL = "-- t/a: a test.\n-- global: a test\n-- returns: one (n int4)\n"
GOOD = HEADER + "SELECT :n::int4 AS n WHERE :owner_id <> '';\n"


def statement_of(source: str) -> Statement:
    return read("t/a", source.encode(), "sql/t/a.sql")


def test_names_become_numbers_in_the_headers_order() -> None:
    """The owner is `$1`, the others follow as listed, however often and in whatever order the text
    uses them.
    """
    statement = statement_of(
        HEADER + "SELECT :n::int4 AS n, ':n' -- :n\n WHERE :owner_id = :owner_id OR :n > 0"
    )
    assert (
        statement.text
        == HEADER + "SELECT /* t/a */ $2::int4 AS n, ':n' -- :n\n WHERE $1 = $1 OR $2 > 0"
    )
    assert (statement.name, statement.rows) == ("t/a", "one")
    assert [parameter.name for parameter in statement.parameters] == ["owner_id", "n"]


@pytest.mark.parametrize("tail", ["", ";", ";\n-- the end\n/* of it */\n"])
def test_a_semicolon_ends_the_statement_and_only_comments_follow(tail: str) -> None:
    """One statement, with or without its semicolon, and comments after it."""
    statement_of(HEADER + "SELECT :owner_id, :n" + tail)


def test_crlf_is_kept() -> None:
    """A checkout with CRLF works, byte for byte."""
    source = GOOD.replace("\n", "\r\n")
    assert statement_of(source).text == source.replace(":n:", "$2:").replace(
        ":owner_id", "$1"
    ).replace("SELECT", "SELECT /* t/a */")


NOT_LISTED = "the header's `params` do not list"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "1:1: the first line must be `-- <folder>/<file>: <what it does>`"),
        (b"SELECT 1", "1:1: the first line must be `-- <folder>/<file>: <what it does>`"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "1:1: a byte order mark; save the file as plain UTF-8"),
        (GOOD.encode("utf-16"), "1:1: not UTF-8"),
        (HEADER.encode() + b"SELECT '\xc3\xa9', '\xe9', :n, :owner_id", "4:14: not UTF-8"),
        (HEADER.encode() + b"SELECT '\xc3\xa9', '\x00', :n, :owner_id", "4:14: a NUL character"),
        (
            GOOD.replace("t/a", "t/b").encode(),
            "1:1: the first line names 't/b'; the path says 't/a'",
        ),
        (
            b"-- t/a: a test.\n-- returns: count\nDELETE FROM t",
            "1:1: no owner_id: list `owner_id text` first in `params`, or say `global: <why>`",
        ),
        (
            b"-- t/a: a test.\n-- params: n int4\n-- returns: count\nDELETE FROM t",
            "2:1: no owner_id: list `owner_id text` first in `params`, or say `global: <why>`",
        ),
        (
            b"-- t/a: a test.\n-- owner: x\n-- returns: count\nDELETE FROM t",
            "2:1: unknown header 'owner'; there are params, returns, index, global, repeatable",
        ),
        (
            b"-- t/a: a test.\r\n-- owner: x",
            "2:1: unknown header 'owner'; there are params, returns, index, global, repeatable",
        ),
        ((HEADER + "SELECT :n").encode(), "2:1: the statement never uses :owner_id"),
        ((HEADER + "SELECT :owner_id -- :n").encode(), "2:1: the statement never uses :n"),
        ((HEADER + "SELECT :owner_id,\n  'é', :m, :n").encode(), f"5:8: {NOT_LISTED} m"),
        ((HEADER + "SELECT :owner_id, :N, :n").encode(), f"4:19: {NOT_LISTED} N"),
        (
            (HEADER + "SELECT :owner_id, :n\n\t, $1").encode(),
            "5:4: $1 is positional; write :name",
        ),
        ((GLOBAL + "SELECT :owner_id").encode(), f"4:8: {NOT_LISTED} owner_id"),
        (GLOBAL.encode(), "4:1: there is no statement in this file"),
        (
            (GLOBAL + "--\n-- SELECT 1;\n/* SELECT 2; */").encode(),
            "6:16: there is no statement in this file",
        ),
        (
            (GLOBAL + "SELECT 1; SELECT 2").encode(),
            "4:11: a second statement; one statement a file",
        ),
        ((GLOBAL + "SELECT 1;\n;").encode(), "5:1: a second statement; one statement a file"),
        (
            (GLOBAL + "SELECT 1; -- fine\nDROP TABLE t").encode(),
            "5:1: a second statement; one statement a file",
        ),
        (
            (GLOBAL + "SELECT 1; -- hidden\rDROP TABLE t").encode(),
            "4:21: a second statement; one statement a file",
        ),
        ((GLOBAL + "SELECT 'a\n").encode(), "4:8: the quote ' is never closed"),
        (
            (GLOBAL + "SELECT :'a'").encode(),
            "4:8: :' is psql's quoting; write :name, the driver sends values apart from the text",
        ),
    ],
)
def test_a_faulty_file_is_refused_with_its_position(content: bytes, fault: str) -> None:
    """Whatever is wrong with a file, the message begins with its `file:line:col` and says what."""
    with pytest.raises(StatementsError) as raised:
        read("t/a", content, "sql/t/a.sql")
    assert str(raised.value) == f"sql/t/a.sql:{fault}"


def write(folder: Path, name: str, content: str) -> None:
    path = folder / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())


def test_a_folder_is_loaded_by_paths(tmp_path: Path) -> None:
    """The path below the folder is the name, at any depth; files of other kinds are left alone."""
    write(tmp_path, "t/a", GOOD)
    write(tmp_path, "u/v/w", GOOD.replace("t/a", "u/v/w"))
    (tmp_path / "README.md").write_text("text")
    statements = load(tmp_path)
    assert sorted(statements) == ["t/a", "u/v/w"]
    assert statements["u/v/w"].file == f"{tmp_path.name}/u/v/w.sql"


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    """Every faulty file has its line in one message; sound files have none."""
    write(tmp_path, "t/a", GOOD)
    write(tmp_path, "t/b", GOOD)
    write(tmp_path, "t/c", "")
    write(tmp_path, "t/d", GOOD.replace("t/a", "t/d") + "x")
    with pytest.raises(StatementsError) as raised:
        load(tmp_path)
    assert raised.value.faults == tuple(str(raised.value).split("\n"))
    assert [fault.partition(": ")[0] for fault in raised.value.faults] == [
        f"{tmp_path.name}/t/b.sql:1:1",
        f"{tmp_path.name}/t/c.sql:1:1",
        f"{tmp_path.name}/t/d.sql:5:1",
    ]


@pytest.mark.parametrize("folder", ["", "absent"])
def test_a_folder_without_statements_is_refused(tmp_path: Path, folder: str) -> None:
    """A build without its statements does not start."""
    with pytest.raises(StatementsError, match="no statements here"):
        load(tmp_path / folder)


def test_the_services_own_statements_load() -> None:
    """The files that are shipped are sound."""
    assert "tasks/get" in load(SQL)


ALICE = OwnerId("alice")


def test_arguments_are_in_the_statements_order() -> None:
    """The owner comes first, the others by name; what may be NULL takes None."""
    statement = statement_of(GOOD)
    assert statement.arguments("one", ALICE, {"n": 1}) == ["alice", 1]
    assert statement.arguments("one", ALICE, {"n": None}) == ["alice", None]
    assert statement_of(GLOBAL + "SELECT 1").arguments("one", NOBODY, {}) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "t/a: missing n"),
        ({"n": 1, "m": 2, "a": 3}, "t/a: unknown a, m"),
        ({"m": 1}, "t/a: missing n; unknown m"),
        ({"n": 1, "owner_id": "bob"}, "t/a: unknown owner_id"),
        ({"owner_id": "bob"}, "t/a: missing n; unknown owner_id"),
        ({"n": "hunter2"}, "t/a: n int4? does not take this str"),
        ({"n": True}, "t/a: n int4? does not take this bool"),
        ({"n": 2**31}, "t/a: n int4? does not take this int"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(values: dict[str, object], message: str) -> None:
    """Missing, surplus and wrongly typed parameters are named, and no value is."""
    with pytest.raises(TypeError) as raised:
        statement_of(GOOD).arguments("one", ALICE, values)
    assert str(raised.value) == message


def test_none_is_no_value_for_what_is_not_optional() -> None:
    """Without `?` in the header None is refused."""
    statement = statement_of(GOOD.replace("int4?", "int4"))
    with pytest.raises(TypeError, match=r"^t/a: n int4 does not take this NoneType$"):
        statement.arguments("one", ALICE, {"n": None})


@pytest.fixture
async def server(server_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server_dsn)
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("SELECT absent, :n, :owner_id", "4:8"),
        ("SELECT :n::int4, :owner_id, absent", "4:29"),
        (
            (
                "SELECT 'é\U0001f600€' || :owner_id || 'é', :n::int4,\r\n\t'\U0001f600' ||"
                " :owner_id, absent"
            ),
            "5:20",
        ),
        ("SELECT :owner_id::text, :n::int4 FROM\n\n  absent WHERE :n = 1", "6:3"),
        ("/* :n é */ SELECT $$:n é$$, :n::int4, :owner_id FORM t", "4:54"),
        ("SELECT :owner_id, :n::int4 + :owner_id::bool", "4:28"),
        ("SELECT :owner_id, :n::nothing", "4:23"),
        ("SELECT :owner_id, date :n", "4:24"),
    ],
)
async def test_a_servers_position_leads_to_the_file(
    server: asyncpg.Connection, body: str, place: str
) -> None:
    """A server's error position, which counts characters of the rewritten text, is the line and
    column in the file.
    """
    statement = statement_of(HEADER + body)
    with pytest.raises(asyncpg.PostgresError) as raised:
        await server.prepare(statement.text)
    assert raised.value.position is not None
    assert statement.locate(int(raised.value.position)) == f"sql/t/a.sql:{place}"


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [" :n ", " :owner_id ", "'é'", "\n", "\r\n", "x", "\U0001f600", "-- :n\n", "+"]
        )
    )
)
def test_every_character_maps_back_to_its_place(pieces: list[str]) -> None:
    """Each character that was not rewritten maps back to its place; a `$` to its colon, a digit
    into the name.
    """
    source = HEADER + "SELECT :owner_id, :n " + "".join(pieces)
    statement = statement_of(source)
    lines = source.split("\n")
    rewritten = False
    name = statement.text.index(" /* t/a */")
    for position, character in enumerate(statement.text, start=1):
        if name < position <= name + len(" /* t/a */"):
            continue
        rewritten = character == "$" or (rewritten and character.isdigit())
        file, line, column = statement.locate(position).split(":")
        found = f"{lines[int(line) - 1]}\n"[int(column) - 1]
        assert file == "sql/t/a.sql"
        assert rewritten or found == character
        assert found == ":" if character == "$" else not rewritten or found in "no"


def test_a_name_cannot_end_its_comment() -> None:
    """The name is plain, as it goes into the text in a comment."""
    with pytest.raises(StatementsError, match=r"1:1: the name 't\*/a' has other characters"):
        read("t*/a", GOOD.replace("t/a", "t*/a").encode(), "sql/t*/a.sql")


@pytest.mark.parametrize(
    ("body", "reads"),
    [
        ("SELECT :n::int4 AS n, 'delete' AS \"update\" -- insert\n WHERE :owner_id <> ''", True),
        ("WITH a AS (SELECT :n::int4 AS n) SELECT n FROM a WHERE :owner_id <> ''", True),
        (
            (
                "WITH a AS (DELETE FROM t WHERE owner_id = :owner_id RETURNING n) SELECT :n::int4"
                " FROM a"
            ),
            False,
        ),
        ("SELECT :n::int4 AS n FROM t WHERE owner_id = :owner_id FOR UPDATE", False),
        ("SELECT :n::int4 AS n INTO t WHERE :owner_id <> ''", False),
        ("update t SET n = :n WHERE owner_id = :owner_id", False),
        ("CALL p(:owner_id, :n)", False),
    ],
)
def test_a_query_without_writes_or_locks_only_reads(body: str, *, reads: bool) -> None:
    """A statement that begins as a query, and has no word that writes or locks, only reads."""
    assert statement_of(HEADER + body).reads is reads
