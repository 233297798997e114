"""What a page costs by its depth: `python -m tests.bench.paging`, some 20 s.

One owner with 200,000 tasks among others with as many. Times are medians over HTTP through the
application, in one process; the ratios, taken side by side, are what to compare.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import asyncpg
import httpx

from service.auth.tokens import sign
from service.dev import postgres
from service.migrate import migrations
from service.owner import OwnerId
from service.resources.paging import TOP, ListPosition
from service.settings import Settings
from service.web.cursors import Cursors
from tests.conftest import SECRET, client_of, started

TASKS, DEPTH, LIMIT, ROUNDS = 200_000, 100_000, 50, 60

FILL = """
INSERT INTO tasks (owner_id, id, title, description, created_at, sequence)
SELECT owner, gen_random_uuid(), 'task ' || n, repeat('x', 100), '2026-01-01Z'::timestamptz + n * interval '1 second', n
  FROM unnest(ARRAY['alice', 'bob']) AS owner, generate_series(1, $1::int) AS n
"""


async def main(dsn: str) -> None:
    """Fill, measure and print."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET statement_timeout = 0")
    await connection.execute(FILL, TASKS)
    await connection.execute(
        "INSERT INTO owners (owner_id, open) SELECT owner_id, count(*) FROM tasks GROUP BY owner_id"
    )
    await connection.execute("VACUUM ANALYZE tasks")
    deep = await connection.fetchrow(
        "SELECT created_at, id FROM tasks WHERE owner_id = 'alice' ORDER BY created_at DESC, id"
        " DESC OFFSET $1 LIMIT 1",
        DEPTH - 1,
    )
    await connection.close()
    assert deep is not None
    settings = Settings.model_validate({"database_url": dsn, "jwt_secret": SECRET})
    cursor = Cursors(SECRET).seal("tasks?", "alice", ListPosition(deep["created_at"], deep["id"]))
    async with started(settings) as app, client_of(app) as client:
        queries, owner = app.services.queries, OwnerId("alice")

        async def page(position: ListPosition) -> None:
            await queries.many(
                "tasks/list",
                owner,
                completed=None,
                created_at=position.created_at,
                id=position.id,
                page_size=LIMIT + 1,
                skip=0,
            )

        times = await side_by_side(
            {
                "first page": lambda: _get(client, ""),
                f"cursor at {DEPTH}": lambda: _get(client, f"&cursor={cursor}"),
                f"offset {DEPTH}": lambda: _get(client, f"&offset={DEPTH}"),
                "statement: first page": lambda: page(TOP),
                f"statement: cursor at {DEPTH}": lambda: page(
                    ListPosition(deep["created_at"], deep["id"])
                ),
            },
            ROUNDS,
        )
    for name, seconds in times.items():
        base = times["statement: first page" if name.startswith("statement") else "first page"]
        print(f"{name:32} {seconds * 1000:8.2f} ms   {seconds / base:6.2f} x the first page")


async def _get(client: httpx.AsyncClient, query: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = await client.get(f"/api/v1/users/alice/tasks?limit={LIMIT}{query}", headers=headers)
    assert response.status_code == 200
    assert len(response.json()["items"]) == LIMIT


async def side_by_side(
    calls: Mapping[str, Callable[[], Awaitable[object]]], rounds: int
) -> dict[str, float]:
    """Return the median seconds of each call, made in turn so that other load on the machine hits
    all alike.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            await call()
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) for name, taken in times.items()}


TOKEN = sign(SECRET, "alice", ttl=3600)

if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.running(Path(folder) / "pg", {"fsync": "off"}) as server,
    ):
        asyncio.run(migrations.migrate(server.dsn))
        asyncio.run(main(server.dsn))
