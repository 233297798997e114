"""Migrations under load: requests succeed, and a busy table is left alone."""

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from service.migrate.migrations import migrate, rollback
from service.migrate.schema import MigrationError, files
from service.settings import Settings
from tests.conftest import User, client_of, started
from tests.working_client import load

EXPANDING = {
    "9000.note": (
        "SET lock_timeout = '1s'; ALTER TABLE tasks ADD COLUMN note text NOT NULL DEFAULT ''"
    ),
    "9001.note_rule": (
        "SET lock_timeout = '1s'; ALTER TABLE tasks ADD CONSTRAINT tasks_note CHECK (length(note) <"
        " 9) NOT VALID"
    ),
    "9002.note_valid": "SET lock_timeout = '1s'; ALTER TABLE tasks VALIDATE CONSTRAINT tasks_note",
    "9003.noted": (
        "-- transactional: false\nSET lock_timeout = '1s'; CREATE INDEX CONCURRENTLY noted ON tasks"
        " (owner_id, id)"
    ),
    "9004.notes": (
        "SET lock_timeout = '1s'; CREATE TABLE notes (owner_id text NOT NULL, id uuid, PRIMARY KEY"
        " (owner_id, id))"
    ),
}
CONTRACTING = {
    "9000.note": "SET lock_timeout = '1s'; ALTER TABLE tasks DROP COLUMN note",
    "9001.note_rule": "SET lock_timeout = '1s'; ALTER TABLE tasks DROP CONSTRAINT tasks_note",
    "9002.note_valid": "",
    "9003.noted": "-- transactional: false\nSET lock_timeout = '5s'; DROP INDEX CONCURRENTLY noted",
    "9004.notes": "SET lock_timeout = '1s'; DROP TABLE notes",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """This build's migrations, and those of the next one."""
    for file in files().values():
        for path in (file.path, file.rollback):
            if path.exists():
                shutil.copy(path, tmp_path)
    for id, statements in EXPANDING.items():
        (tmp_path / f"{id}.sql").write_text(statements)
        (tmp_path / f"{id}.rollback.sql").write_text(CONTRACTING[id])
    return tmp_path


@contextlib.asynccontextmanager
async def traffic(settings: Settings, counted: Counter[str]) -> AsyncIterator[None]:
    """Users of the service who work until the block ends; every task that was acknowledged is there
    then.
    """
    stop = asyncio.Event()
    async with started(settings) as app, client_of(app) as client:
        users = [User(client, f"user-{number}") for number in range(8)]
        working = [asyncio.create_task(load(user, stop, counted)) for user in users]
        async with asyncio.timeout(30):
            while not counted:
                await asyncio.sleep(0.02)
        try:
            yield
        finally:
            stop.set()
            made = await asyncio.gather(*working)
        for user, ids in zip(users, made, strict=True):
            assert (await user.tasks(limit=1))["total"] == len(ids)


async def test_expanding_the_schema_fails_no_request(
    database: str, settings: Settings, folder: Path
) -> None:
    """While columns, constraints, indexes and tables are added and removed, no request of the
    running build fails.
    """
    counted: Counter[str] = Counter()
    async with traffic(settings, counted):
        assert await migrate(database, folder) == list(EXPANDING)
        during = counted.total()
        await asyncio.sleep(0.2)
        assert await rollback(database, len(EXPANDING), folder) == list(reversed(EXPANDING))
    assert during > 0
    assert counted.keys() == {"200", "201"}


async def test_a_migration_that_waits_fails_no_request(
    database: str, settings: Settings, folder: Path, connection: asyncpg.Connection
) -> None:
    """A migration that waits for a long transaction gives up before the requests queued behind it
    do: none fails.
    """
    counted: Counter[str] = Counter()
    async with traffic(settings, counted):
        async with connection.transaction():
            await connection.execute("SELECT FROM tasks")
            with pytest.raises(
                MigrationError,
                match=r"9000\.note\.sql.* another session holds a lock.* Nothing of it was done",
            ):
                await migrate(database, folder)
        assert await migrate(database, folder) == list(EXPANDING)
    assert counted.keys() == {"200", "201"}
