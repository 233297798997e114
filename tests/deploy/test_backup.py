"""A backup taken with pg_dump, lost work, and the backup restored into a new database."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.dev.programs import binaries_for
from service.settings import Settings
from tests.commands import called
from tests.conftest import SECRET, User, as_service, client_of, started
from tests.faults.replica import Replica, listed

README = Path(__file__).parents[2] / "migrations" / "README.md"
AFTER_A_RESTORE = (
    "UPDATE owners SET sequence = sequence + 1000000, epoch = sequence + 1000000",
    "ANALYZE",
)
"""What the README tells to do: what clients know of the lost time is worth nothing any more."""


@pytest.fixture
async def programs(connection: asyncpg.Connection) -> Path:
    """The folder of pg_dump and pg_restore of the server's own version."""
    debian = Path(f"/usr/lib/postgresql/{connection.get_server_version().major}/bin")
    return debian if (debian / "pg_dump").exists() else binaries_for(None)


def run(*argv: str | Path) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def as_alice(dsn: str, work: Any) -> Any:
    """What some work of Alice's through a service on that database comes to."""
    settings = Settings.model_validate({"database_url": as_service(dsn), "jwt_secret": SECRET})
    async with started(settings) as app, client_of(app) as client:
        return await work(User(client, "alice"))


class Backup:
    """Alice's tasks when the backup was taken; and her offline copy, which has seen more."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.since: str | None = None
        self.changed, self.tag = "", ""

    async def fill(self, alice: User) -> None:
        """Make tasks, change some, delete one, each other one with a key."""
        made = [
            await alice.create(f"number {n}", **({"description": "d" * 500} if n % 2 else {}))
            for n in range(30)
        ]
        for task in made[:10]:
            assert (
                await alice.call("PATCH", f"/{task['id']}", json={"completed": True})
            ).status_code == 200
        assert (await alice.call("DELETE", f"/{made[0]['id']}")).status_code == 204
        self.tasks = await listed(alice)

    async def go_on(self, alice: User) -> None:
        """Changes that the copy has and the backup lacks."""
        await alice.create("lost")
        self.changed = next(iter(self.tasks))
        self.tag = (await alice.call("PATCH", f"/{self.changed}", json={"title": "lost"})).headers[
            "ETag"
        ]
        copy = Replica(alice)
        await copy.catch_up()
        self.since = copy.since


@pytest.fixture
def restored(
    database: str, empty_database: str, programs: Path, tmp_path: Path
) -> tuple[str, Backup]:
    """The URL of a database that was restored from a backup, and what it should hold."""
    backup = Backup()
    asyncio.run(as_alice(database, backup.fill))
    run(
        programs / "pg_dump",
        "--format=custom",
        "--file",
        tmp_path / "tasks.dump",
        "--dbname",
        database,
    )
    asyncio.run(as_alice(database, backup.go_on))
    run(
        programs / "pg_restore",
        "--exit-on-error",
        "--single-transaction",
        "--dbname",
        empty_database,
        tmp_path / "tasks.dump",
    )
    return empty_database, backup


def test_a_restored_database_has_all_tasks_and_passes_the_check(
    restored: tuple[str, Backup],
) -> None:
    """A restored database has every task, needs no migration, and passes the check, before and
    after the README's steps.
    """
    dsn, backup = restored
    assert asyncio.run(as_alice(dsn, listed)) == backup.tasks
    migrated = called("migrate", dsn=dsn)
    assert (migrated.returncode, "nothing: the schema is up to date" in migrated.stdout) == (
        0,
        True,
    ), migrated.stderr
    checked = called("check", dsn=as_service(dsn))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for statement in AFTER_A_RESTORE:
        assert statement in README.read_text()
        asyncio.run(_execute(dsn, statement))
    assert called("check", dsn=as_service(dsn)).returncode == 0


@pytest.mark.parametrize(
    "moved_on", [False, True], ids=["nothing happened since", "overtaken by new work"]
)
def test_clients_ahead_of_the_backup_get_410_and_sync_anew(
    restored: tuple[str, Backup], *, moved_on: bool
) -> None:
    """A client with changes that the backup lacks gets 410, syncs anew, and then equals the
    database.
    """
    dsn, backup = restored
    if moved_on:
        for statement in AFTER_A_RESTORE:
            asyncio.run(_execute(dsn, statement))
        asyncio.run(as_alice(dsn, _work))

    async def sync(alice: User) -> None:
        copy = Replica(alice)
        copy.since = backup.since
        assert await copy.catch_up() == await listed(alice)
        assert copy.forgotten == 1

    asyncio.run(as_alice(dsn, sync))


def test_tags_from_after_the_backup_match_no_later_version(restored: tuple[str, Backup]) -> None:
    """A tag from the lost time matches no version that was made after the restore."""
    dsn, backup = restored
    for statement in AFTER_A_RESTORE:
        asyncio.run(_execute(dsn, statement))

    async def overwrite(alice: User) -> None:
        new = await alice.call("PATCH", f"/{backup.changed}", json={"title": "new"})
        assert new.status_code == 200
        old = await alice.call(
            "PATCH", f"/{backup.changed}", json={"title": "old"}, headers={"If-Match": backup.tag}
        )
        assert old.status_code == 412

    asyncio.run(as_alice(dsn, overwrite))


async def _work(alice: User) -> None:
    for number in range(5):
        await alice.create(f"new {number}")


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
