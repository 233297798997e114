"""What filters, search and orders cost by how many tasks the owner has: `python -m
tests.bench.lists`, some 90 s.

Owners of 1,000, 10,000 and 100,000 tasks among others with as many in all; every tenth task is
completed, has a tag, is due, and has `milk` in its title. Times are medians over HTTP through the
application, in one process; the CPU of the database is that of the one connection.
"""

import asyncio
import logging
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import httpx

from service.auth.tokens import sign
from service.dev import postgres
from service.migrate import migrations
from service.settings import Settings
from tests.bench.paging import side_by_side
from tests.conftest import SECRET, client_of, started

SIZES, ROUNDS = (1_000, 10_000, 100_000), 15
QUERIES = {
    "newest first": "",
    "open": "completed=false",
    "priority": "priority=high",
    "tag": "tag=home",
    "due before": "due_before=2026-06-01",
    "search of one word": "search=milk",
    "search of two words": "search=milk+buy",
    "sort by created_at": "sort=created_at",
    "sort by due_date": "sort=due_date",
    "sort by priority": "sort=priority",
    "sort by -updated_at": "sort=-updated_at",
    "sort by title": "sort=title",
    "sort by position": "sort=position",
}

FILL = """
WITH made AS (
    INSERT INTO tasks (owner_id, id, title, description, completed, completed_at, priority, tags, due_at, position,
                       created_at, updated_at, sequence)
    SELECT owner, gen_random_uuid(), CASE n % 10 WHEN 3 THEN 'Buy milk ' ELSE 'Task ' END || n, repeat('words ', 20),
           n % 10 = 0, CASE n % 10 WHEN 0 THEN '2026-01-01Z'::timestamptz END,
           (ARRAY['high', 'medium', 'low'])[1 + n % 3], CASE n % 10 WHEN 1 THEN '{home}' ELSE '{}' END::text[],
           CASE n % 10 WHEN 2 THEN '2026-01-01Z'::timestamptz + n * interval '1 hour' END, n % 997,
           '2026-01-01Z'::timestamptz + n * interval '1 second', '2026-01-01Z'::timestamptz + n % 1009 * interval '1 hour', n
      FROM unnest($1::text[], $2::int[]) AS o (owner, size), generate_series(1, size) AS n
     ORDER BY random()
    RETURNING owner_id, sequence, completed
)
INSERT INTO owners (owner_id, sequence, horizon, open, completed)
SELECT owner_id, max(sequence), 0, count(*) FILTER (WHERE NOT completed), count(*) FILTER (WHERE completed)
  FROM made
 GROUP BY owner_id
"""
TICKS = os.sysconf("SC_CLK_TCK")


async def main(dsn: str) -> None:
    """Fill, measure and print a table."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET statement_timeout = 0")
    others = [f"other-{number}" for number in range(100)]
    owners = [str(size) for size in SIZES] + others
    await connection.execute(FILL, owners, [*SIZES, *[1_000] * len(others)])
    await connection.execute("VACUUM ANALYZE")
    settings = Settings.model_validate(
        {"database_url": dsn, "jwt_secret": SECRET, "db_pool_max": 1, "db_pool_min": 1}
    )
    logging.disable()
    async with started(settings) as app, client_of(app) as client:
        await _get(client, "1000", "")()
        process = await connection.fetchval(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND client_port IS NOT NULL"
        )
        print(f"| {'list':20} | {' | '.join(f'{size:,} tasks' for size in SIZES)} |")
        print(f"|---|{'---|' * len(SIZES)}")
        for name, query in QUERIES.items():
            cells = []
            for size in SIZES:
                get = _get(client, str(size), query)
                await get()
                before = cpu_ticks(process)
                times = await side_by_side({name: get}, ROUNDS)
                spent = (cpu_ticks(process) - before) / TICKS / ROUNDS
                cells.append(f"{times[name] * 1000:.1f} ms ({spent * 1000:.1f})")
            print(f"| {name:20} | {' | '.join(cells)} |", flush=True)


def cpu_ticks(process: int) -> int:
    """Return the CPU that the process has used, user and system, in clock ticks (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _get(client: httpx.AsyncClient, owner: str, query: str) -> Callable[[], Awaitable[None]]:
    headers = {"Authorization": f"Bearer {sign(SECRET, owner, ttl=3600)}"}

    async def get() -> None:
        response = await client.get(f"/api/v1/users/{owner}/tasks?{query}", headers=headers)
        assert response.status_code == 200, response.text
        assert response.json()["items"]

    return get


if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.running(Path(folder) / "pg", {"fsync": "off"}) as server,
    ):
        asyncio.run(migrations.migrate(server.dsn))
        asyncio.run(main(server.dsn))
