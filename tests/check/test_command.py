"""`python -m service check`: what it prints, and its exit status. Three tests start it as users do."""

import json
import shutil
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from service.db import SQL
from tests.commands import called
from tests.commands import command as process
from tests.conftest import administer


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the statements, to be damaged."""
    return shutil.copytree(SQL, tmp_path / "sql")


def test_without_faults_each_statement_is_a_line_and_the_status_0(
    tmp_path: Path, database: str
) -> None:
    """Without faults: one line a statement, then what it was proven on; exit status 0."""
    done = process("check", cwd=tmp_path, DATABASE_URL=database)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == len(list(SQL.rglob("*.sql"))) + 3
    [line] = [line for line in lines if line.startswith("tasks/get ")]
    assert line.split("  ")[0] == "tasks/get"
    assert line.endswith("✓")
    assert "0 faults" in lines[-1]
    assert lines[-1].startswith("PostgreSQL ")


def test_without_a_database_the_check_starts_one(tmp_path: Path) -> None:
    """Without a database it starts one, migrates it, and removes it."""
    done = process("check", "--format", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["faults"] == []


def test_a_leak_is_a_line_with_its_cure_and_status_1(copy: Path, database: str) -> None:
    """A leak in a file: exit status 1, and its line, reason and cure."""
    path = copy / "tasks/get.sql"
    path.write_text(path.read_text().replace("t.owner_id = :owner_id", "t.title <> :owner_id"))
    where = f"sql/tasks/get.sql:{path.read_text().splitlines().index('  FROM tasks AS t') + 1}:8"
    done = called("check", dsn=database, sql=copy)
    assert done.returncode == 1
    assert f"{where}: owner: tasks (t) is not bound to the owner" in done.stdout
    assert "write `t.owner_id = :owner_id` once" in done.stdout
    machines = called("check", "--format", "json", dsn=database, sql=copy)
    assert machines.returncode == 1
    [fault] = [fault for fault in json.loads(machines.stdout)["faults"] if fault["rule"] == "owner"]
    assert (fault["subject"], fault["where"]) == ("tasks/get", where)


def test_grants_prints_faults_where_statements_leak(copy: Path, database: str) -> None:
    """For statements that leak it prints faults, not grants."""
    path = copy / "tasks/get.sql"
    path.write_text(path.read_text().replace("t.owner_id = :owner_id", "t.title <> :owner_id"))
    done = called("check", "--grants", "svc", dsn=database, sql=copy)
    assert done.returncode == 1
    assert "GRANT" not in done.stdout


def test_a_file_without_owner_id_is_a_fault(copy: Path, database: str) -> None:
    """A file without owner_id is a fault too: exit status 1."""
    (copy / "tasks/all.sql").write_text(
        "-- tasks/all: all.\n-- returns: many (id uuid)\nSELECT t.id FROM tasks AS t;\n"
    )
    done = called("check", dsn=database, sql=copy)
    assert done.returncode == 1
    assert "sql/tasks/all.sql:1:1: no owner_id" in done.stderr


def test_a_silent_database_is_status_2(tmp_path: Path) -> None:
    """A database that does not answer says nothing about the statements: exit status 2."""
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    done = process("check", cwd=tmp_path, DATABASE_URL=nowhere)
    assert (done.returncode, done.stdout) == (2, "")
    assert "could not be carried out" in done.stderr


def test_grants_are_plain_sql_for_any_role_name(database: str) -> None:
    """Grants are plain SQL, with any role name quoted."""
    done = called("check", "--grants", 'The "service"', dsn=database)
    assert done.returncode == 0
    assert all(
        line.startswith("GRANT ") and line.endswith(' TO "The ""service""";')
        for line in done.stdout.splitlines()
    )
    assert "ON public.tasks" in done.stdout


def test_migrate_expand_grants_despite_the_transitions_triggers(empty_database: str) -> None:
    """`migrate --expand --grant` grants the new build its rights although the transition's triggers
    are a fault.
    """
    role = f"granted_{uuid4().hex}"
    administer(empty_database, f"CREATE ROLE {role}")
    done = called("migrate", "--expand", "--grant", role, dsn=empty_database)
    assert (done.returncode, "UPDATE (sequence, open" in done.stdout) == (0, True), done.stderr
    administer(
        empty_database,
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    )
    administer(
        empty_database,
        "CREATE TRIGGER late BEFORE UPDATE ON owners FOR EACH ROW EXECUTE FUNCTION f()",
    )
    assert called("migrate", "--grant", role, dsn=empty_database).returncode == 1
    administer(empty_database, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_migrate_grants_exactly_the_printed_rights(empty_database: str) -> None:
    """`migrate --grant` gives the role exactly the printed rights; for a role that does not exist
    it fails and grants nothing.
    """
    role = f"granted_{uuid4().hex}"
    assert called("migrate", "--grant", role, dsn=empty_database).returncode == 1
    administer(empty_database, f"CREATE ROLE {role}")
    done = called("migrate", "--grant", role, dsn=empty_database)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(called("check", "--grants", role, dsn=empty_database).stdout)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        rights = "SELECT has_column_privilege($1, 'tasks', $2, 'UPDATE')"
        cursor = psycopg.RawCursor(connection)
        assert cursor.execute(rights, [role, "title"]).fetchone() == (True,)
        assert cursor.execute(rights, [role, "owner_id"]).fetchone() == (False,)
    administer(empty_database, f"DROP OWNED BY {role}; DROP ROLE {role}")
