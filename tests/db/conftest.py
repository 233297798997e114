"""Statements on notes, run by Queries on a database for each test."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from service.db.pool import Pool
from service.db.queries import Call
from service.owner import OwnerId
from service.settings import DatabaseSettings
from tests.conftest import administer
from tests.db.untyped import Queries, queries_on

ALICE = OwnerId("alice")

TABLE = """
    CREATE TABLE notes (
        owner_id text NOT NULL,
        id int4 NOT NULL,
        body text NOT NULL CONSTRAINT notes_body_length CHECK (char_length(body) <= 20),
        PRIMARY KEY (owner_id, id)
    )
"""
ID = "owner_id text, id int4"
STATEMENTS = {
    "add": (
        f"{ID}, body text",
        "count",
        "INSERT INTO notes (owner_id, id, body) VALUES (:owner_id, :id, :body)",
    ),
    "store": (
        f"{ID}, body text",
        "count",
        (
            "INSERT INTO notes VALUES (:owner_id, :id, :body) ON CONFLICT (owner_id, id) DO UPDATE"
            " SET body = :body"
        ),
    ),
    "brew": (
        f"{ID}, seconds float8",
        "count",
        (
            "INSERT INTO notes (owner_id, id, body) SELECT :owner_id, :id, 'tea' FROM"
            " pg_sleep(:seconds)"
        ),
    ),
    "pair": (
        "owner_id text",
        "many (id int4)",
        """WITH b AS MATERIALIZED (SELECT n.id FROM notes AS n WHERE n.owner_id = :owner_id AND n.id = 2 FOR UPDATE)
           SELECT n.id FROM notes AS n, b WHERE n.owner_id = :owner_id AND n.id = 1 FOR UPDATE OF n""",
    ),
    "some": (
        "owner_id text, skip int8, number int8",
        "many (id int4)",
        "SELECT n.id FROM notes AS n WHERE n.owner_id = :owner_id OFFSET :skip LIMIT :number",
    ),
    "date": (
        "owner_id text, text text",
        "one (t timestamptz)",
        "SELECT :text::text::timestamptz AS t WHERE :owner_id <> ''",
    ),
    "json": (
        "owner_id text, value jsonb",
        "one (n int4)",
        "SELECT length(:value::jsonb ->> 'a') AS n WHERE :owner_id <> ''",
    ),
    "get": (
        ID,
        "maybe (body text)",
        "SELECT n.body FROM notes AS n WHERE n.owner_id = :owner_id AND n.id = :id",
    ),
    "only": (
        ID,
        "one (body text)",
        "SELECT n.body FROM notes AS n WHERE n.owner_id = :owner_id AND n.id = :id",
    ),
    "list": (
        "owner_id text",
        "many (id int4)",
        "SELECT n.id FROM notes AS n WHERE n.owner_id = :owner_id ORDER BY n.id DESC",
    ),
    "any": (
        "owner_id text",
        "maybe (id int4)",
        "SELECT n.id FROM notes AS n WHERE n.owner_id = :owner_id",
    ),
    "first": (
        "owner_id text",
        "one (id int4)",
        "SELECT n.id FROM notes AS n WHERE n.owner_id = :owner_id",
    ),
    "clear": ("owner_id text", "count", "DELETE FROM notes AS n WHERE n.owner_id = :owner_id"),
    "sleep": (
        "owner_id text, seconds float8",
        "one (x text)",
        "SELECT :owner_id || pg_sleep(:seconds)::text AS x",
    ),
    "cast": (
        "owner_id text, text text",
        "one (n int4)",
        "SELECT :text::text::int4 AS n WHERE :owner_id <> ''",
    ),
    "table": (
        "owner_id text, text text",
        "one (n int8)",
        "SELECT :text::text::regclass::oid::int8 AS n WHERE :owner_id <> ''",
    ),
    "lost": (
        "owner_id text",
        "many (n int4)",
        "SELECT 'é',\n       n.absent\n  FROM notes AS n\n WHERE n.owner_id = :owner_id",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of statements, one of them without an owner."""
    folder = tmp_path / "sql"
    (folder / "notes").mkdir(parents=True)
    for verb, (parameters, returns, body) in STATEMENTS.items():
        header = f"-- notes/{verb}: a test.\n-- params: {parameters}\n-- returns: {returns}\n"
        header += "-- repeatable: it sets what it is given\n" if verb == "store" else ""
        (folder / "notes" / f"{verb}.sql").write_text(f"{header}{body};\n")
    header = "-- notes/total: a test.\n-- global: counts all\n-- returns: one (total int8)\n"
    (folder / "notes" / "total.sql").write_text(f"{header}SELECT count(*) AS total FROM notes;\n")
    return folder


Start = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Queries, Pool]]]


@pytest.fixture
def observed() -> list[Call]:
    """The observed tries of the queries."""
    return []


@pytest.fixture
def started(folder: Path, observed: list[Call]) -> Start:
    """The queries and their pool on a database, with settings of the test's."""

    @contextlib.asynccontextmanager
    async def start(dsn: str, **settings: float) -> AsyncIterator[tuple[Queries, Pool]]:
        known = DatabaseSettings.model_validate({"database_url": dsn, **settings})
        async with Pool(known) as pool:
            yield queries_on(pool, folder, known, observe=observed.append), pool
            # A connection that was never given back is a failure, not a hang
            await asyncio.wait_for(pool.close(), 5)

    return start


@pytest.fixture
def notes(empty_database: str) -> str:
    """The URL of a database with a table."""
    administer(empty_database, TABLE)
    return empty_database


@pytest.fixture
async def queries(notes: str, started: Start) -> AsyncIterator[Queries]:
    async with started(notes) as (queries, _):
        yield queries
