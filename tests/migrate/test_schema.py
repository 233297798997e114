"""The migrations folder, and the tables that it creates."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from service.migrate.schema import MigrationError, files, pending
from tests.conftest import cloned

IDS = list(files())

INSERT = """
    INSERT INTO tasks (owner_id, id, title, description, created_at, updated_at, deleted_at, version, sequence)
    VALUES (%(owner_id)s, gen_random_uuid(), %(title)s, %(description)s, %(created_at)s, %(updated_at)s,
            %(deleted_at)s, %(version)s, %(sequence)s)
"""
GOOD = {
    "owner_id": "alice",
    "title": "t",
    "description": None,
    "created_at": "2026-01-01Z",
    "updated_at": "2026-01-01Z",
    "deleted_at": None,
    "version": 1,
    "sequence": 1,
}


def test_pending_lists_the_missing_migrations_in_order() -> None:
    """On an empty database all migrations are missing, in order, and the message has the command
    to run.
    """
    difference = pending([])
    needed = [id for id, file in files().items() if not file.contracts]
    assert difference.missing == tuple(needed)
    assert difference.problem is not None
    assert f"{', '.join(needed)} not applied. Run `python -m service migrate`" in difference.problem


def test_a_newer_schema_is_accepted() -> None:
    """An older build starts beside a newer schema, as in a rolling deploy, and reports what it does
    not know.
    """
    difference = pending([*IDS, "9999.newer"])
    assert (difference.missing, difference.unknown, difference.problem) == (
        (),
        ("9999.newer",),
        None,
    )


def test_files_are_in_the_order_of_their_numbers() -> None:
    """The order of application is the order of the four digits."""
    numbers = [id[:4] for id in IDS]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    "name",
    ["1.short.sql", "0001.Tasks.sql", "0001.orphan.rollback.sql", "0002.code.py", "post-apply.sql"],
)
def test_a_stray_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    """A file with another name, which yoyo would run or pass over, is refused instead."""
    (tmp_path / "0000.good.sql").write_text("SELECT 1;")
    assert list(files(tmp_path)) == ["0000.good"]
    (tmp_path / name).write_text("")
    with pytest.raises(MigrationError, match=name):
        files(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """A build without its migrations must not pass for one that has nothing to apply."""
    with pytest.raises(MigrationError, match="no migrations"):
        files(tmp_path)


def test_the_checksum_does_not_depend_on_line_ends(tmp_path: Path) -> None:
    """A checkout with CRLF is no edit; a changed character is."""
    path = tmp_path / "0000.a.sql"
    sums = []
    for content in (b"SELECT 1;\n", b"SELECT 1;\r\n", b"SELECT 2;\n"):
        path.write_bytes(content)
        sums.append(files(tmp_path)["0000.a"].sha256)
    assert sums[0] == sums[1] != sums[2]


@pytest.fixture(scope="module")
def migrated(server_dsn: str, template: str) -> Iterator[psycopg.Connection]:
    """A connection to a migrated database for all tests that undo what they write."""
    with (
        cloned(server_dsn, template) as dsn,
        contextlib.closing(psycopg.connect(dsn)) as connection,
    ):
        yield connection


@pytest.fixture
def server(migrated: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The same within a transaction that is rolled back."""
    with migrated.transaction(force_rollback=True):
        yield migrated


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("owner_id", "", "tasks_owner_id_length"),
        ("owner_id", "o" * 256, "tasks_owner_id_length"),
        ("title", "", "tasks_title_length"),
        ("title", "é" * 256, "tasks_title_length"),
        ("title", " \t\n\r\v\f", "tasks_title_not_blank"),
        ("description", "d" * 2001, "tasks_description_length"),
        ("created_at", "1969-12-31 23:59:59.999999Z", "tasks_created_at_range"),
        ("created_at", "10000-01-01 00:00:00Z", "tasks_created_at_range"),
        ("created_at", "infinity", "tasks_created_at_range"),
        ("updated_at", "1969-12-31 23:59:59.999999Z", "tasks_updated_at_range"),
        ("updated_at", "10000-01-01 00:00:00Z", "tasks_updated_at_range"),
        ("updated_at", "-infinity", "tasks_updated_at_range"),
        ("deleted_at", "1969-12-31 23:59:59.999999Z", "tasks_deleted_at_range"),
        ("deleted_at", "infinity", "tasks_deleted_at_range"),
        ("version", 0, "tasks_version_in_range"),
        ("version", 2, "tasks_version_in_range"),
    ],
)
def test_the_table_refuses_what_the_contract_forbids(
    server: psycopg.Connection, column: str, value: object, constraint: str
) -> None:
    """The table refuses what the contract forbids, by a named constraint."""
    with pytest.raises(psycopg.errors.CheckViolation) as raised:
        server.execute(INSERT, GOOD | {column: value})
    # An empty title breaks two; the server checks in the order of the names.
    assert raised.value.diag.constraint_name == constraint


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("owner_id", "o" * 255),
        ("title", "\U0001f600" * 255),
        ("title", "\u00a0x\u2003"),
        ("description", ""),
        ("description", "\U0001f600" * 2000),
        ("created_at", "1970-01-01 00:00:00Z"),
        ("updated_at", "9999-12-31 23:59:59.999999Z"),
        ("deleted_at", "9999-12-31 23:59:59.999999Z"),
        ("sequence", 2**63 - 1),
    ],
)
def test_the_table_accepts_what_the_contract_allows(
    server: psycopg.Connection, column: str, value: object
) -> None:
    """Values that the contract allows fit, up to its limits in characters."""
    assert server.execute(INSERT, GOOD | {column: value}).rowcount == 1


def test_the_table_calls_no_accepted_title_blank(
    server: psycopg.Connection,
) -> None:
    """Of all characters the table finds only such blank that Python does, so a valid request never
    fails here.
    """
    row = server.execute(
        "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint WHERE conname ="
        " 'tasks_title_not_blank'"
    ).fetchone()
    assert row is not None
    characters = (
        "SELECT n, chr(n) AS title FROM generate_series(1, 1114111) AS n WHERE n NOT BETWEEN"
        " 55296 AND 57343"
    )
    blank = [
        chr(n) for (n,) in server.execute(f"SELECT n FROM ({characters}) AS c WHERE NOT {row[0]}")
    ]
    assert " " in blank
    assert all(character.isspace() for character in blank)


def test_two_owners_may_have_the_same_task_id(server: psycopg.Connection) -> None:
    """Two owners may have a task with the same id, so no duplicate-key error reveals another
    owner's.
    """
    insert = (
        "INSERT INTO tasks (owner_id, id, title, sequence) VALUES (%s,"
        " '01890a5d-ac96-774b-bcce-b302099a8057', 't', %s)"
    )
    server.execute(insert, ["alice", 1])
    server.execute(insert, ["bob", 1])
    with pytest.raises(psycopg.errors.UniqueViolation) as raised:
        server.execute(insert, ["alice", 2])
    assert raised.value.diag.constraint_name == "tasks_pkey"


def test_defaults_make_a_whole_task(server: psycopg.Connection) -> None:
    """Owner, id, title and sequence suffice: the task is open, at version 1, with both timestamps
    the same.
    """
    insert = (
        "INSERT INTO tasks (owner_id, id, title, sequence) VALUES ('alice', gen_random_uuid(),"
        " 't', 1)"
    )
    row = server.execute(
        f"{insert} RETURNING description, completed, version, created_at = updated_at"
    ).fetchone()
    assert row == (None, False, 1, True)


def test_an_update_of_the_owners_row_touches_no_index(database: str) -> None:
    """The row that changes with every write of its owner stays in its page (HOT): none of what
    changes is indexed.
    """
    with contextlib.closing(psycopg.connect(database, autocommit=True)) as server:
        server.execute("INSERT INTO owners (owner_id) VALUES ('alice')")
        for _ in range(5):
            server.execute(
                "UPDATE owners SET sequence = sequence + 1, open = open + 1, completed ="
                " completed + 1"
            )
        server.execute("SELECT pg_stat_force_next_flush()")
        row = server.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'owners'"
        ).fetchone()
    assert row == (5, 5)


def test_an_owners_sequence_numbers_are_unique(server: psycopg.Connection) -> None:
    """Two tasks of an owner with the same sequence are refused; two owners may have the same."""
    server.execute(INSERT, GOOD)
    server.execute(INSERT, GOOD | {"owner_id": "bob"})
    with pytest.raises(psycopg.errors.UniqueViolation) as raised:
        server.execute(INSERT, GOOD)
    assert raised.value.diag.constraint_name == "tasks_changed"
