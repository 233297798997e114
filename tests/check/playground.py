"""Check a statement made up for a test, with tables that the service might have."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from uuid import uuid4

import asyncpg
import pytest

from service.check import Fault, Report, check
from service.check.trees import parse
from service.db.statement import Statement, location
from service.db.statements import read, shipped
from tests.conftest import administer, with_database

PARAMS = "owner_id text, id uuid"
MARK = "▸"

TABLES = """
    CREATE TABLE ledgers (
        owner_id text COLLATE "C" NOT NULL PRIMARY KEY, sequence bigint NOT NULL DEFAULT 0, open bigint NOT NULL DEFAULT 0, note text
    );
    CREATE TABLE notes (
        owner_id text COLLATE "C" NOT NULL, id uuid NOT NULL, task_id uuid NOT NULL, body text,
        PRIMARY KEY (owner_id, id),
        FOREIGN KEY (owner_id, task_id) REFERENCES tasks (owner_id, id) ON DELETE CASCADE
    );
    CREATE INDEX notes_task ON notes (owner_id, task_id);
    CREATE TABLE graves (
        owner_id text COLLATE "C" NOT NULL, task_id uuid NOT NULL, sequence bigint NOT NULL, PRIMARY KEY (owner_id, task_id)
    );
    CREATE UNIQUE INDEX tombstones_sequence ON graves (owner_id, sequence);
    CREATE TABLE replays (
        owner_id text COLLATE "C" NOT NULL, key text NOT NULL, request text NOT NULL, answer jsonb,
        stored_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (owner_id, key)
    );
    CREATE INDEX replays_oldest ON replays (owner_id, stored_at);
"""

ANALYSED = """
    SELECT c.relname FROM pg_class AS c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.reltuples >= 0
"""
"""The tables with statistics: ANALYZE makes them, and CREATE INDEX of a table with rows (before
PostgreSQL 18, or where autovacuum is on).
"""


@contextmanager
def playground_on(server_dsn: str, template: str) -> Iterator[str]:
    """The URL of a migrated database with more tables, for as long as it is needed."""
    name = f"playground_{uuid4().hex}"
    administer(server_dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    administer(with_database(server_dsn, name), TABLES)
    yield with_database(server_dsn, name)
    administer(server_dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def playground(server_dsn: str, template: str) -> Iterator[str]:
    """The playground that tests share; each rolls back its changes."""
    with playground_on(server_dsn, template) as dsn, pytest.MonkeyPatch.context() as patch:
        # Hundreds of checks read the same expressions: each text is parsed once.
        patch.setattr("service.check.catalogue.parse", lru_cache(parse))
        yield dsn


@pytest.fixture
async def session(playground: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction that is rolled back: what a test creates is there for its check
    alone.
    """
    connection = await asyncpg.connect(playground)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    analysed = await connection.fetch(ANALYSED)
    await connection.close()
    # They would change what the check says in another test.
    assert analysed == [], "statistics stay after a rollback: use a playground of the test's own"


def made(
    sql: str, returns: str = "many (id uuid)", params: str = PARAMS, *, more: str = ""
) -> tuple[Statement, list[str]]:
    """A statement file of that text, and `file:line:col` of each mark in it."""
    names = [name for name in params.split(", ") if f":{name.split()[0]}" in sql]
    owner = "" if "global:" in more else f"-- params:  {', '.join(names)}\n"
    source = f"-- made/up: for a test.\n{owner}-- returns: {returns}\n{more}{sql.strip()}\n"
    positions, (text, *rest) = [], source.split(MARK)
    for piece in rest:
        positions.append(location("sql/made/up.sql", text, len(text)))
        text += piece
    return read("made/up", text.encode(), "sql/made/up.sql"), positions


@pytest.fixture
def report_of(session: asyncpg.Connection) -> Callable[..., Awaitable[Report]]:
    """Check one statement, after some DDL."""

    async def report_of(statement: Statement, ddl: str = "", role: str = "") -> Report:
        if ddl:
            await session.execute(ddl)
        return await check(session, {statement.name: statement}, checks=shipped(), role=role)

    return report_of


@pytest.fixture
def faults_of(
    report_of: Callable[..., Awaitable[Report]],
) -> Callable[..., Awaitable[tuple[Fault, ...]]]:
    """The faults of one statement, whatever the schema's are; the rule of one shard has tests of its
    own.
    """

    async def faults_of(statement: Statement, ddl: str = "") -> tuple[Fault, ...]:
        faults = (await report_of(statement, ddl)).statements[0].faults
        return tuple(fault for fault in faults if fault.rule != "shard")

    return faults_of
