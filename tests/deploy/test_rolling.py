"""Replace an old version by a new one under load, with its migration, and go back."""

import asyncio
import contextlib
import os
import re
import shutil
from pathlib import Path

import asyncpg
import pytest

from service import __version__
from tests.commands import ROOT, command
from tests.conftest import ROLE, SECRET
from tests.deploy.fleet import Fleet
from tests.deploy.traffic import Traffic

ROUNDS = int(os.environ.get("DEPLOY_ROUNDS", "1"))
"""How often the new version comes and goes; more by `make deploy`."""
NEXT = "99.0.0"

MIGRATIONS = {
    "9001.tasks_urgent.sql": (
        "SET lock_timeout = '5s';"
        "ALTER TABLE tasks ADD COLUMN IF NOT EXISTS urgent boolean NOT NULL DEFAULT false;"
    ),
    "9001.tasks_urgent.rollback.sql": (
        "SET lock_timeout = '5s'; ALTER TABLE tasks DROP COLUMN IF EXISTS urgent;"
    ),
    "9002.tasks_urgent_newest.sql": (
        "-- transactional: false\nSET lock_timeout = '5s';DROP INDEX CONCURRENTLY IF EXISTS"
        " tasks_urgent_newest;CREATE INDEX CONCURRENTLY tasks_urgent_newest ON tasks (owner_id,"
        " created_at, id) WHERE urgent;"
    ),
    "9002.tasks_urgent_newest.rollback.sql": (
        "-- transactional: false\nSET lock_timeout = '5s';"
        "DROP INDEX CONCURRENTLY IF EXISTS tasks_urgent_newest;"
    ),
}


@pytest.fixture
def next_build(tmp_path: Path) -> Path:
    """A build that expands the schema, and one of whose statements fails on any schema before
    that.
    """
    build = tmp_path / "next"
    for folder in ("service", "sql", "migrations"):
        shutil.copytree(ROOT / folder, build / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in MIGRATIONS.items():
        (build / "migrations" / name).write_text(text)
    _edit(build / "service/__init__.py", f'"{__version__}"', f'"{NEXT}"')
    _edit(build / "sql/tasks/get.sql", "t.id = :id", "t.id = :id\n   AND t.urgent IS NOT NULL")
    return build


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, path
    path.write_text(text.replace(old, new))


async def migrate(database: str, build: Path, *arguments: str) -> list[str]:
    """The migrations that were applied or rolled back."""
    done = await asyncio.to_thread(
        command, "migrate", *arguments, cwd=build, DATABASE_URL=database, PYTHONPATH=str(build)
    )
    assert done.returncode == 0, done.stderr
    return re.findall(r"^(?:applied|rolled back) (9\S+)", done.stdout, flags=re.MULTILINE)


async def test_rolling_forward_and_back_loses_no_request_and_no_write(
    tmp_path: Path, next_build: Path, database: str, connection: asyncpg.Connection
) -> None:
    """Expanding the schema, rolling out, rolling back and undoing the migration cost no request and
    lose no write.
    """
    with contextlib.ExitStack() as stack:
        fleet = await asyncio.to_thread(Fleet, stack, tmp_path, database)
        traffic = Traffic(fleet.url, users=4)
        for _ in range(ROUNDS):
            assert await fleet.versions() == {__version__}
            assert await migrate(database, next_build, "--expand", "--grant", ROLE) == [
                "9001.tasks_urgent",
                "9002.tasks_urgent_newest",
            ]
            await fleet.roll(next_build)
            assert await fleet.versions() == {NEXT}
            await fleet.roll(ROOT)
            assert await fleet.versions() == {__version__}
            assert await migrate(database, next_build, "--rollback", "2") == [
                "9002.tasks_urgent_newest",
                "9001.tasks_urgent",
            ]
        await traffic.end()
    total, failed, lost = (
        sum(traffic.answers.values()),
        len(traffic.failures),
        await traffic.lost(connection),
    )
    print(
        f"\n{ROUNDS} x forth and back: {total} requests, {failed} failed, {len(lost)} writes lost;"
        f" {dict(traffic.answers)}"
    )
    assert traffic.failures == []
    assert lost == {}
    assert total > 100 * ROUNDS


async def test_a_new_version_does_not_start_before_its_migration(
    tmp_path: Path, next_build: Path, database: str
) -> None:
    """A new version does not start before its migration: a deploy in the wrong order stops at the
    first replica.
    """
    done = await asyncio.to_thread(
        command,
        "serve",
        cwd=tmp_path,
        DATABASE_URL=database,
        JWT_SECRET=SECRET,
        PYTHONPATH=str(next_build),
    )
    assert done.returncode == 1
    assert "9001.tasks_urgent, 9002.tasks_urgent_newest not applied" in done.stderr
