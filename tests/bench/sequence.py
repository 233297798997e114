"""What sequence, counts and quotas cost: create and patch with them, as a ratio to the same without
them, in one run.

python -m tests.bench.sequence [ROUNDS]

Runs on a PostgreSQL of its own that writes to disk as a real one does, and again without waiting
for the disk, where the difference in work shows. The statements take turns, so that what else the
machine does hits both alike. Medians.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import asyncpg

from service.db import SQL
from service.db.statements import load
from service.dev import postgres
from service.migrate.migrations import migrate

# Apart from keeping the books these do what the service's statements do, on a table as it was
# before.
BARE = """
    CREATE TABLE bare (LIKE tasks INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
    ALTER TABLE bare DROP COLUMN sequence, ADD PRIMARY KEY (owner_id, id);
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
PATCHES = ('{"completed": true}', '{"completed": false, "title": "b"}')


async def measure(dsn: str, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Median milliseconds without and with, and with a key as well."""
    statements = load(SQL)
    connection = await asyncpg.connect(dsn)
    await connection.execute(BARE)
    bare_create, bare_patch = (
        await connection.prepare(BARE_CREATE),
        await connection.prepare(BARE_PATCH),
    )
    names = ("tasks/create", "tasks/create_once", "tasks/patch", "tasks/patch_once")
    create, create_once, patch, patch_once = [
        await connection.prepare(statements[name].text) for name in names
    ]
    times: dict[str, list[list[float]]] = {"create": [[], [], []], "patch": [[], [], []]}

    async def timed(
        kind: str, which: int, statement: asyncpg.prepared_stmt.PreparedStatement, *values: object
    ) -> None:
        start = time.perf_counter()
        await statement.fetch(*values)
        times[kind][which].append((time.perf_counter() - start) * 1000)

    task, limits = ("a", None, False), (10**6, 10**9)
    for number in range(rounds):
        owner, id, print_ = f"owner {number % 20}", uuid4(), bytes(32)
        await timed("create", 0, bare_create, owner, id, *task)
        await timed("create", 1, create, owner, id, *task, *limits)
        await timed("create", 2, create_once, owner, str(uuid4()), print_, uuid4(), *task, *limits)
        change = PATCHES[number % 2]
        await timed("patch", 0, bare_patch, owner, id, change)
        await timed("patch", 1, patch, owner, id, change, None, "[]", limits[1])
        await timed(
            "patch", 2, patch_once, owner, str(uuid4()), print_, id, change, None, "[]", limits[1]
        )
    await connection.close()
    bare, ours, once = 0, 1, 2
    return {
        kind: (
            statistics.median(lists[bare]),
            statistics.median(lists[ours]),
            statistics.median(lists[once]),
        )
        for kind, lists in times.items()
    }


def main(rounds: int) -> None:
    """Print a table."""
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
