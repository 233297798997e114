"""From a build that knows no bytes to one that counts them, while the old one goes on writing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from service.migrate.migrations import migrate, rollback
from service.migrate.schema import files
from service.settings import Settings
from tests.conftest import SECRET, User, client_of, started
from tests.migrate.earlier import Upto

BEFORE, EXPANDED = "0006.sync_contract", "0008.bytes_not_negative"

# What the build before this one does to the two tables.
CREATE = """
    WITH me AS (
        INSERT INTO owners AS o (owner_id, sequence, open) VALUES ($1, 1, 1)
        ON CONFLICT (owner_id) DO UPDATE SET sequence = o.sequence + 1, open = o.open + 1
        RETURNING o.sequence
    )
    INSERT INTO tasks (owner_id, id, title, sequence) SELECT $1, $2, repeat('old', 7), me.sequence FROM me
"""
CHANGE = """
    WITH me AS (UPDATE owners SET sequence = sequence + 1 WHERE owner_id = $1 RETURNING sequence)
    UPDATE tasks AS t SET title = t.title || '+', sequence = me.sequence FROM me WHERE t.owner_id = $1 AND t.id = $2
"""
DELETE = """
    WITH me AS (UPDATE owners SET sequence = sequence + 1, open = open - 1 WHERE owner_id = $1)
    DELETE FROM tasks WHERE owner_id = $1 AND id = $2
"""

WRONG = """
    SELECT o.owner_id, o.bytes
      FROM owners AS o LEFT JOIN tasks AS t USING (owner_id)
     GROUP BY o.owner_id
    HAVING o.bytes <> coalesce(sum(octet_length(t.title) + coalesce(octet_length(t.description), 0)), 0)
"""
UNKNOWN = "SELECT count(*) FROM owners WHERE bytes IS NULL"


@pytest.fixture
def upto(tmp_path: Path) -> Upto:
    return Upto(tmp_path)


@pytest.fixture
async def old_rows(empty_database: str, upto: Upto) -> AsyncIterator[asyncpg.Connection]:
    """A database of the build before, in which alice has 30 tasks and bob has none left."""
    await migrate(empty_database, upto(BEFORE))
    connection = await asyncpg.connect(empty_database)
    for _ in range(30):
        await connection.execute(CREATE, "alice", uuid4())
    await connection.execute(CREATE, "bob", last := uuid4())
    await connection.execute(DELETE, "bob", last)
    yield connection
    await connection.close()


@contextlib.asynccontextmanager
async def serving(dsn: str, **settings: int) -> AsyncIterator[User]:
    """Alice at this build."""
    values = {"database_url": dsn, "jwt_secret": SECRET, **settings}
    async with started(Settings.model_validate(values)) as app, client_of(app) as client:
        yield User(client, "alice")


async def counts(connection: asyncpg.Connection) -> dict[str, int | None]:
    return {
        row["owner_id"]: row["bytes"]
        for row in await connection.fetch("SELECT owner_id, bytes FROM owners")
    }


async def test_rows_in_place_are_counted(empty_database: str, old_rows: asyncpg.Connection) -> None:
    """All at once: every owner's bytes are known afterwards, and true."""
    await migrate(empty_database)
    assert await counts(old_rows) == {"alice": 30 * 21, "bob": 0}
    assert await old_rows.fetchval(UNKNOWN) == 0


async def test_both_builds_side_by_side(empty_database: str, old_rows: asyncpg.Connection) -> None:
    """Before the contraction both builds write to the same owners: what is known is true at every
    moment, and then all is.
    """
    assert (await migrate(empty_database, contract=False))[-1] == EXPANDED
    stop = asyncio.Event()

    async def old_build(owner: str) -> None:
        connection = await asyncpg.connect(empty_database)
        while not stop.is_set():
            await connection.execute(CREATE, owner, id := uuid4())
            await connection.execute(CHANGE, owner, id)
            if id.int % 2:
                await connection.execute(DELETE, owner, id)
            await asyncio.sleep(0.002)
        await connection.close()

    old = [asyncio.create_task(old_build(owner)) for owner in ("alice", "dave")]
    known = 0
    async with serving(empty_database) as alice:
        carol = User(alice.client, "carol")
        for number in range(40):
            for person in (alice, carol, User(alice.client, "dave")):
                task = await person.create("new" * (number % 5 + 1), description="x" * number)
                known += await old_rows.fetchval(
                    "SELECT count(bytes) FROM owners WHERE owner_id <> 'bob'"
                )
                assert await old_rows.fetch(WRONG) == []
                await person.call("PATCH", f"/{task['id']}", json={"title": "n"})
                await person.call(
                    "PATCH",
                    f"/{task['id']}",
                    json={"completed": True},
                    headers={"Idempotency-Key": task["id"]},
                )
                await person.call("PUT", f"/{uuid4()}", json={"title": "put"})
                if number % 3 == 0:
                    await person.call("DELETE", f"/{task['id']}")
            assert await old_rows.fetch(WRONG) == []
        assert known > 0
        stop.set()
        await asyncio.gather(*old)
        assert await old_rows.fetchval(UNKNOWN) > 0, "the old build's writes went unnoticed"
        await migrate(empty_database)
        assert (await old_rows.fetchval(UNKNOWN), await old_rows.fetch(WRONG)) == (0, [])
        await carol.create("after")
        assert (await old_rows.fetchval(UNKNOWN), await old_rows.fetch(WRONG)) == (0, [])


async def test_what_is_not_counted_is_not_limited(
    empty_database: str, old_rows: asyncpg.Connection
) -> None:
    """Until the contraction an owner of whom the bytes are not known is refused nothing for them;
    the number of tasks holds.
    """
    await migrate(empty_database, contract=False)
    async with serving(empty_database, quota_bytes=650, quota_tasks=32) as alice:
        assert (await alice.call("POST", json={"title": "x" * 200})).status_code == 201
        assert (
            await alice.call("PUT", f"/{uuid4()}", json={"title": "x" * 200})
        ).status_code == 201
        refused = await alice.call("POST", json={"title": "x"})
        assert (refused.status_code, refused.json()["usage"]) == (409, {"tasks": 32, "bytes": None})
        await migrate(empty_database)
        shorter = await alice.call("PUT", f"/{uuid4()}", json={"title": "x"})
        assert (shorter.status_code, shorter.json()["usage"]) == (409, {"tasks": 32, "bytes": 1030})


async def test_back_and_forth(empty_database: str, old_rows: asyncpg.Connection) -> None:
    """Rolled back behind the contraction the old build may write again; what it touches is counted
    anew the next time.
    """
    await migrate(empty_database)
    await rollback(empty_database, sum(id > EXPANDED for id in files()))
    await old_rows.execute(CREATE, "alice", uuid4())
    assert (await old_rows.fetchval(UNKNOWN), await old_rows.fetch(WRONG)) == (1, [])
    await migrate(empty_database)
    assert await counts(old_rows) == {"alice": 31 * 21, "bob": 0}


async def test_the_contraction_may_wait(empty_database: str, old_rows: asyncpg.Connection) -> None:
    """Without contractions the schema serves this build and the one before it; with them nothing of
    the transition is left.
    """
    await migrate(empty_database, contract=False)
    ours = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    assert await old_rows.fetchval(ours) == 1
    async with serving(empty_database) as alice:
        assert (await alice.client.get("/readyz")).status_code == 200
    assert await migrate(empty_database) == [id for id in files() if id > EXPANDED]
    assert await old_rows.fetchval(ours) == 0
