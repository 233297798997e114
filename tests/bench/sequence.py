"""What sequence, counts and quotas cost: create and patch with them, as a ratio to the same without
them, in one run.

python -m tests.bench.sequence [ROUNDS]

Runs on a PostgreSQL of its own that writes to disk as a real one does, and again without waiting
for the disk, where the difference in work shows. The statements take turns, so that other load on
the machine hits both alike. Medians.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from service.db import SQL
from service.db.statements import load
from service.dev import postgres
from service.migrate.migrations import migrate

# Apart from keeping the books these do what the service's statements do, on a table as it was
# before.
BARE = """
    CREATE TABLE bare (LIKE tasks INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
    ALTER TABLE bare DROP COLUMN sequence, DROP COLUMN deleted_at, ADD PRIMARY KEY (owner_id, id);
    CREATE INDEX ON bare (owner_id, created_at DESC, id DESC);
"""
BARE_CREATE = """
    INSERT INTO bare AS t (owner_id, id, title, description, completed) VALUES ($1, $2, $3, $4, $5)
    RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at, t.version
"""
BARE_PATCH = """
    UPDATE bare AS t
       SET (title, description, completed) =
               (SELECT p.title, p.description, p.completed FROM jsonb_populate_record(t, $3) AS p),
           updated_at = now(), version = t.version + 1
     WHERE t.owner_id = $1 AND t.id = $2
    RETURNING t.id, t.owner_id, t.title, t.description, t.completed, t.created_at, t.updated_at, t.version
"""
TASK, LIMITS = ("a", None, False), (10**6, 10**9)
PATCHES = ('{"completed": true}', '{"completed": false, "title": "b"}')


async def measure(dsn: str, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Return median milliseconds without and with, and with a key as well."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(BARE)
    run = {
        name: (await connection.prepare(statement.text)).fetch
        for name, statement in load(SQL).items()
        if name.partition("/")[0] in ("keys", "owners", "tasks")
    }
    bare_create, bare_patch = [
        (await connection.prepare(text)).fetch for text in (BARE_CREATE, BARE_PATCH)
    ]

    async def create(owner: str, id: UUID) -> None:
        [me] = await run["owners/lock_create"](owner, 1, 0, 1, *LIMITS)
        await run["tasks/create"](owner, id, *TASK, 1, me["sequence"])

    async def patch(owner: str, id: UUID, change: str) -> None:
        await run["tasks/change"](owner, id, change, None, "[]", LIMITS[1])

    async def keyed(owner: str, work: Awaitable[None]) -> None:
        key = str(uuid4())
        async with connection.transaction():
            await run["keys/claim"](owner, key, bytes(32))
            await work
            await run["keys/keep"](owner, key, 200, "[]", "x" * 250)

    async def together(work: Awaitable[None]) -> None:
        async with connection.transaction():
            await work

    times: dict[str, list[float]] = {}

    async def timed(what: str, work: Awaitable[object]) -> None:
        start = time.perf_counter()
        await work
        times.setdefault(what, []).append((time.perf_counter() - start) * 1000)

    for number in range(rounds):
        owner, id, change = f"owner {number % 20}", uuid4(), PATCHES[number % 2]
        await timed("create without", bare_create(owner, id, *TASK))
        await timed("create with", together(create(owner, id)))
        await timed("create with a key", keyed(owner, create(owner, uuid4())))
        await timed("patch without", bare_patch(owner, id, change))
        await timed("patch with", patch(owner, id, change))
        await timed("patch with a key", keyed(owner, patch(owner, id, change)))
    await connection.close()
    medians = {what: statistics.median(taken) for what, taken in times.items()}
    return {
        kind: (medians[f"{kind} without"], medians[f"{kind} with"], medians[f"{kind} with a key"])
        for kind in ("create", "patch")
    }


def main(rounds: int) -> None:
    """Print the table."""
    print(f"{rounds} rounds, median ms      without   with  ratio   with a key  ratio")
    for title, options in (
        ("durable", {}),
        ("without waiting for the disk", {"synchronous_commit": "off", "fsync": "off"}),
    ):
        with (
            tempfile.TemporaryDirectory(dir=Path("/tmp")) as folder,
            postgres.running(Path(folder) / "pg", options) as server,
        ):
            asyncio.run(migrate(server.dsn))
            for kind, (bare, ours, once) in asyncio.run(measure(server.dsn, rounds)).items():
                print(
                    f"{title:>28}, {kind:6} {bare:6.3f} {ours:6.3f} {ours / bare:6.2f} {once:12.3f}"
                    f" {once / bare:6.2f}"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
