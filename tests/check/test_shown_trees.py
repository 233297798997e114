"""The check judges the statement's own tree, among others that the server prints."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from service.check import CheckError, Fault, Report, check
from service.db.statements import shipped
from tests.check.playground import made
from tests.conftest import administer

FaultsOf = Callable[..., Awaitable[tuple[Fault, ...]]]

FOLDED = (
    "round(1.5)",
    "trunc(1.5)",
    "log(100.0)",
    "log10(100.0)",
    "lpad('x', 3)",
    "rpad('x', 3)",
    "bit_length('x'::text)",
    "substring('xyz' SIMILAR 'x#\"_#\"z' ESCAPE '#')",
    "date_part('year', date '2100-01-01')",
    "interval '1 day' + date '2100-01-01'",
    "interval '1 hour' + time '10:00'",
    "time '10:00' + date '2100-01-01'",
    "3 + date '2100-01-01'",
    "(time '10:00', interval '1 hour') OVERLAPS (time '10:30', time '11:00')",
)
"""Constant calls of PostgreSQL's functions written in SQL: while it folds one, the server plans and
shows that function's own query.
"""
LEAKING = {
    "select": (
        "SELECT t.id, {0} IS NULL AS x FROM ▸tasks AS t WHERE :owner_id::text <> ''",
        "many (id uuid, x bool)",
    ),
    "update": (
        "UPDATE ▸tasks AS t SET title = :owner_id WHERE t.id = :id AND {0} IS NOT NULL",
        "count",
    ),
    "delete": (
        "DELETE FROM ▸tasks AS t WHERE t.id = :id AND {0} IS NOT NULL AND :owner_id::text <> ''",
        "count",
    ),
    "upsert": (
        (
            "INSERT INTO ledgers AS o (owner_id, note) VALUES (:owner_id, ({0})::text) ON CONFLICT"
            " (owner_id) DO UPDATE SET open = (SELECT max(t.version) FROM ▸tasks AS t)"
        ),
        "count",
    ),
}


@pytest.mark.parametrize("folded", FOLDED)
async def test_a_leak_beside_a_folded_function_is_found(folded: str, faults_of: FaultsOf) -> None:
    """A leak beside a constant call of an SQL function is judged by the statement's own plan."""
    for sql, returns in LEAKING.values():
        statement, places = made(sql.format(folded), returns)
        faults = await faults_of(statement)
        assert [(fault.rule, fault.where) for fault in faults] == [("owner", places[0])]


@pytest.mark.parametrize("folded", FOLDED)
async def test_a_bound_statement_with_a_folded_function_passes(
    folded: str, faults_of: FaultsOf
) -> None:
    """Such a call does not make a bound statement unprovable."""
    statement, _ = made(
        f"SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND ({folded}) IS NOT NULL"
    )
    assert [fault for fault in await faults_of(statement) if fault.rule != "index"] == []


BESIDE = {
    "partial index": "CREATE INDEX odd ON tasks (owner_id, id) WHERE version <> round(1.5)",
    "index expression": "CREATE INDEX odd ON tasks (owner_id, (version + round(1.5)))",
    "statistics": "CREATE STATISTICS odd ON (version + round(1.5)), title FROM tasks",
    "check": "ALTER TABLE tasks ADD CHECK (version <> round(1.5))",
}


@pytest.mark.parametrize("ddl", BESIDE.values(), ids=BESIDE)
async def test_what_a_sessions_first_plan_folds_is_not_the_statements(
    ddl: str, database: str
) -> None:
    """A session's first plan for a table also folds functions of the table: they are not taken for
    the statement's.
    """
    administer(database, ddl)
    connection = await asyncpg.connect(database, server_settings={"constraint_exclusion": "on"})
    statement, places = made("SELECT t.id FROM ▸tasks AS t WHERE :owner_id::text <> ''")
    faults = (await check(connection, {statement.name: statement}, checks=shipped())).faults
    assert [(fault.rule, fault.where) for fault in faults] == [("owner", places[0])]
    await connection.close()


CHECKED_TYPES = {
    "an array of a domain": "CREATE DOMAIN odd AS int CHECK (VALUE <> round(1.5))",
    "a function that shows nothing but a harmless tree": (
        "CREATE FUNCTION quiet(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM set_config('debug_print_rewritten', 'off', true); RETURN true; END $$;"
        " CREATE DOMAIN odd AS int CHECK (quiet(VALUE))"
    ),
    "a function that shows a false tree": (
        "CREATE FUNCTION quiet(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE LOG 'rewritten parse tree:' USING DETAIL = '({QUERY :commandType 1})';"
        " RAISE LOG 'plan:' USING DETAIL = '{PLANNEDSTMT :rtable <>}'; RETURN true; END $$;"
        " CREATE DOMAIN odd AS int CHECK (quiet(VALUE))"
    ),
}


@pytest.mark.parametrize("ddl", CHECKED_TYPES.values(), ids=CHECKED_TYPES)
async def test_a_domain_constant_is_refused_or_ends_the_check(
    ddl: str, report_of: Callable[..., Awaitable[Report]]
) -> None:
    """Reading a constant can run a domain's CHECK, before the statement's own tree is shown: the
    statement is refused for its type, or the check gives up.
    """
    statement, _ = made("SELECT t.id FROM tasks AS t WHERE '{3}'::odd[] <> '{}' OR :owner_id <> ''")
    try:
        faults = (await report_of(statement, ddl)).statements[0].faults
    except CheckError:
        return
    assert {fault.rule for fault in faults} == {"type"}
