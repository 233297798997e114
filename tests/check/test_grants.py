"""The privileges that `check --grants` prints: the whole suite runs with them, and no more."""

import asyncpg
import psycopg
import pytest

from service.check import CheckError, check
from service.db.statements import shipped
from tests.check.playground import made
from tests.conftest import ROLE, as_service, report_on


@pytest.mark.parametrize(
    "forbidden",
    [
        "UPDATE tasks SET owner_id = 'mallory'",
        "UPDATE tasks SET id = gen_random_uuid()",
        "UPDATE tasks SET created_at = now()",
        "TRUNCATE tasks",
        "SELECT * FROM _yoyo_log",
        "SELECT * FROM yoyo_lock",
        "INSERT INTO migration_checksums VALUES ('x', repeat('0', 64))",
        "DELETE FROM _yoyo_migration",
        "CREATE TABLE mine (id int)",
        "ALTER TABLE tasks ADD x int",
        "DROP TABLE tasks",
        "CREATE INDEX mine ON tasks (title)",
        "ALTER TABLE tasks DISABLE TRIGGER ALL",
        "CREATE ROLE mallory",
    ],
)
def test_the_role_may_do_nothing_that_no_statement_does(database: str, forbidden: str) -> None:
    """The service's role may not do what no statement of the folder does."""
    with (
        psycopg.connect(as_service(database), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(forbidden.encode())


async def test_without_any_one_grant_a_statement_fails(database: str) -> None:
    """Without any one of the rights on tables, some statement of the service fails."""
    report = await report_on(database, ROLE)
    owner = await asyncpg.connect(database)
    service = await asyncpg.connect(as_service(database))
    run = [
        one.statement
        for one in report.statements
        if one.statement.name.partition("/")[0] not in ("check", "migrate")
    ]
    grants = [grant for grant in report.grants if " ON SCHEMA " not in grant]
    assert grants
    for grant in grants:
        await owner.execute(grant.replace("GRANT", "REVOKE", 1).replace(" TO ", " FROM "))
        assert not all(
            [
                await permitted(service, statement.text, len(statement.parameters))
                for statement in run
            ]
        )
        await owner.execute(grant)
        assert not [
            statement.name
            for statement in run
            if not await permitted(service, statement.text, len(statement.parameters))
        ]
    await owner.close()
    await service.close()


async def permitted(connection: asyncpg.Connection, text: str, parameters: int) -> bool:
    """Whether the role may run the statement; EXPLAIN asks for the same rights."""
    nulls = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
    await connection.execute(f"PREPARE asked AS {text}")
    try:
        await connection.execute(f"EXPLAIN EXECUTE asked{nulls}")
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await connection.execute("DEALLOCATE asked")
    return True


async def test_the_check_needs_only_connect_and_usage(database: str, template: str) -> None:
    """The proof runs nothing, so the check needs only CONNECT and USAGE on the schema."""
    owner = await asyncpg.connect(database)
    await owner.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ROLE}")
    report = await report_on(as_service(database))
    assert report.faults == ()
    assert report.server.endswith(f" as {ROLE}")
    await owner.close()


async def test_a_role_without_usage_gets_the_missing_right(database: str) -> None:
    """A role that sees no table of the schema gets the name of the right it lacks."""
    owner = await asyncpg.connect(database)
    await owner.execute(f"REVOKE USAGE ON SCHEMA public FROM PUBLIC, {ROLE}")
    missing = "may use no schema of its search_path"
    with pytest.raises(CheckError, match=missing):
        await report_on(as_service(database))
    await owner.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ROLE}")
    await owner.execute(f"GRANT USAGE ON SCHEMA public TO {ROLE}")
    assert (await report_on(as_service(database))).faults == ()
    await owner.close()


async def test_the_check_works_in_read_only_transactions(database: str) -> None:
    """The check works where every transaction is read-only, and leaves no prepared statement
    behind.
    """
    connection = await asyncpg.connect(
        database, server_settings={"default_transaction_read_only": "on"}
    )
    assert (await check(connection, shipped())).faults == ()
    left = await connection.fetch("SELECT name FROM pg_prepared_statements WHERE from_sql")
    assert left == []
    assert await connection.fetchval("SHOW enable_seqscan") == "on"
    await connection.close()


@pytest.mark.parametrize(
    ("sql", "returns", "wanted"),
    [
        (
            "SELECT count(*) AS n FROM ledgers AS o WHERE o.owner_id = :owner_id",
            "one (n int8)",
            "SELECT (owner_id)",
        ),
        (
            "SELECT to_jsonb(o) AS j FROM ledgers AS o WHERE o.owner_id = :owner_id",
            "maybe (j jsonb)",
            "SELECT",
        ),
        (
            "SELECT o.open FROM ledgers AS o WHERE o.owner_id = :owner_id FOR UPDATE",
            "maybe (open int8)",
            "SELECT (owner_id, open), UPDATE (note)",
        ),
        (
            "DELETE FROM ledgers AS o WHERE o.owner_id = :owner_id",
            "count",
            "SELECT (owner_id), DELETE",
        ),
        ("INSERT INTO ledgers (owner_id) VALUES (:owner_id)", "count", "INSERT"),
        (
            (
                "INSERT INTO ledgers AS o (owner_id) VALUES (:owner_id) ON CONFLICT (owner_id) DO"
                " UPDATE SET open = o.open + 1"
            ),
            "count",
            "INSERT, SELECT (owner_id, open), UPDATE (open)",
        ),
        (
            (
                "WITH a AS (DELETE FROM ledgers AS o WHERE o.owner_id = :owner_id RETURNING o.note)"
                " SELECT a.note FROM a"
            ),
            "maybe (note text?)",
            "SELECT (owner_id, note), DELETE",
        ),
    ],
)
async def test_a_statements_rights_are_those_of_its_columns(
    playground: str, sql: str, returns: str, wanted: str
) -> None:
    """A statement needs rights on the columns that it names, or on the table, for the kind of use
    it makes of them.
    """
    connection = await asyncpg.connect(playground)
    statement, _ = made(sql, returns)
    report = await check(connection, {statement.name: statement}, checks=shipped(), role="svc")
    await connection.close()
    assert report.grants == (
        "GRANT USAGE ON SCHEMA public TO svc;",
        f"GRANT {wanted} ON public.ledgers TO svc;",
    )
