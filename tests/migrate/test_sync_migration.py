"""From the first build's tasks to sequence and counts, while the first build goes on writing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.migrate.migrations import migrate, rollback
from service.migrate.schema import files
from service.settings import Settings
from tests.conftest import SECRET, User, client_of, started
from tests.faults.replica import Replica, listed
from tests.migrate.earlier import Upto

FIRST = ("0000.checksums", "0001.tasks")
CONTRACT = "0006.sync_contract"

# What the build before this one sends.
CREATE = (
    "INSERT INTO tasks (owner_id, id, title, description, completed) VALUES ($1, $2, 'old',"
    " NULL, $3)"
)
CHANGE = (
    "UPDATE tasks SET completed = NOT completed, updated_at = now(), version = version + 1 WHERE"
    " owner_id = $1 AND id = $2"
)
DELETE = "DELETE FROM tasks WHERE owner_id = $1 AND id = $2"

WRONG = """
    SELECT o.owner_id, o.sequence, o.open, o.completed
      FROM owners AS o LEFT JOIN tasks AS t USING (owner_id)
     GROUP BY o.owner_id
    HAVING o.open <> count(t.id) FILTER (WHERE NOT t.completed)
        OR o.completed <> count(t.id) FILTER (WHERE t.completed)
        OR o.sequence < max(greatest(t.sequence, t.version))
"""


@pytest.fixture
def upto(tmp_path: Path) -> Upto:
    return Upto(tmp_path)


@contextlib.asynccontextmanager
async def old_build(dsn: str, owner: str, writers: int = 3) -> AsyncIterator[list[UUID]]:
    """Clients of the first build who create, change and delete without a pause; the ids that they
    have made.
    """
    ids: list[UUID] = []
    stop = asyncio.Event()

    async def work(number: int) -> None:
        connection = await asyncpg.connect(dsn)
        try:
            while not stop.is_set():
                ids.append(uuid4())
                await connection.execute(CREATE, owner, ids[-1], number % 2 == 0)
                await connection.execute(CHANGE, owner, ids[(len(ids) * 7) % len(ids)])
                await connection.execute(CHANGE, owner, ids[(len(ids) * 3) // 4])
                if len(ids) % 3 == 0:
                    await connection.execute(DELETE, owner, ids[len(ids) // 2])
                await asyncio.sleep(0.001)
        finally:
            await connection.close()

    tasks = [asyncio.create_task(work(number)) for number in range(writers)]
    await asyncio.sleep(0.1)
    try:
        yield ids
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@pytest.fixture
async def old_rows(empty_database: str, upto: Upto) -> AsyncIterator[asyncpg.Connection]:
    """A database of the first build's with rows in place: many of Alice's, one of Bob's that was
    changed often.
    """
    await migrate(empty_database, upto(FIRST[-1]))
    connection = await asyncpg.connect(empty_database)
    await connection.execute("""INSERT INTO tasks (owner_id, id, title, completed, created_at)
           SELECT 'alice', gen_random_uuid(), n::text, n % 3 = 0, now() - interval '1 day' + n * interval '1 second'
             FROM generate_series(1, 2500) AS n""")
    await connection.execute(
        "INSERT INTO tasks (owner_id, id, title, version) SELECT 'bob', gen_random_uuid(),"
        " 'often', 57"
    )
    yield connection
    await connection.close()


def on(dsn: str) -> Settings:
    return Settings.model_validate({"database_url": dsn, "jwt_secret": SECRET})


async def test_rows_in_place(empty_database: str, old_rows: asyncpg.Connection) -> None:
    """Existing tasks are counted and numbered oldest first without gaps, and the feed is the
    list.
    """
    await migrate(empty_database)
    assert await old_rows.fetch(WRONG) == []
    owners = [
        tuple(row)
        for row in await old_rows.fetch(
            "SELECT owner_id, sequence, open, completed FROM owners ORDER BY owner_id"
        )
    ]
    assert owners == [("alice", 2500, 1667, 833), ("bob", 57, 1, 0)]
    assert await old_rows.fetchval(
        "SELECT bool_and(sequence = title::int) FROM tasks WHERE owner_id = 'alice'"
    )
    async with (
        started(on(empty_database)) as app,
        client_of(app) as client,
    ):
        for somebody in (User(client, "alice"), User(client, "bob")):
            assert await Replica(somebody).catch_up(500) == await listed(somebody)


async def test_the_first_build_writes_on_meanwhile(
    empty_database: str, old_rows: asyncpg.Connection, upto: Upto
) -> None:
    """While the schema expands and is backfilled the build before this one writes without a fault,
    and all it does is booked.
    """
    async with old_build(empty_database, "alice"), old_build(empty_database, "carol") as new_owner:
        await migrate(empty_database, upto("0005.tasks_sequence_known"))
        made = len(new_owner)
        await asyncio.sleep(0.2)
        assert len(new_owner) > made
    assert await old_rows.fetch(WRONG) == []
    assert await old_rows.fetchval("SELECT count(*) FROM tasks WHERE sequence IS NULL") == 0
    await migrate(empty_database)
    async with (
        started(on(empty_database)) as app,
        client_of(app) as client,
    ):
        for somebody in (User(client, "alice"), User(client, "bob"), User(client, "carol")):
            assert await Replica(somebody).catch_up(500) == await listed(somebody)


async def test_back_to_the_first_build_and_forth(
    empty_database: str, old_rows: asyncpg.Connection, upto: Upto
) -> None:
    """Rolled back to the triggers the old build's writes are booked again; rolled back further,
    every task is still there.
    """
    await migrate(empty_database)
    later = [id for id in files() if id >= CONTRACT]
    await rollback(empty_database, len(later))
    async with old_build(empty_database, "alice"):
        pass
    assert await old_rows.fetch(WRONG) == []
    tasks = await old_rows.fetchval("SELECT count(*) FROM tasks")
    await rollback(empty_database, len(files()) - len(FIRST) - len(later))
    assert await old_rows.fetchval("SELECT count(*) FROM tasks") == tasks
    await migrate(empty_database)
    assert await old_rows.fetch(WRONG) == []


async def test_only_the_last_contraction_waits(
    empty_database: str, old_rows: asyncpg.Connection, upto: Upto
) -> None:
    """A contraction that later migrations follow is long safe, and they may need it: it does not
    wait.
    """
    folder = upto(CONTRACT)
    assert (await migrate(empty_database, folder, contract=False))[
        -1
    ] == "0005.tasks_sequence_known"
    (folder / "9000.next.sql").write_text("SET lock_timeout = '5s'; CREATE TABLE next (n int);")
    assert await migrate(empty_database, folder, contract=False) == [CONTRACT, "9000.next"]
