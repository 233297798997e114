"""What open streams cost one worker, and how long a change takes to reach them.

python -m tests.bench.streams [STREAMS [OWNERS]]

A worker with that many streams, a second one that writes, too, and a PostgreSQL of their own, all
real processes. Memory and CPU at rest; statements that the streams cost the database; the delay of
events from the answer of a write on; what other requests take beside them. Some 2 minutes.
"""

import asyncio
import contextlib
import os
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx

from service.__main__ import main as run
from service.auth.tokens import sign
from service.dev import postgres
from service.migrate import migrations
from service.server import descriptors

from .observing import SECRET, serving
from .processes import Backends, cpu, family, resident, settle

STREAMS, OWNERS = 1000, 200
REST = 20.0
"""Seconds at rest."""
WRITES = 400
PER_SECOND = 40.0
PROBES = 1000
"""Requests of somebody else's, one after the other."""

_TITLE = re.compile(rb'"title":"([^"]+)"')


class Readers:
    """Many streams, and when each event reached each of them."""

    def __init__(self, url: str) -> None:
        self._url = httpx.URL(url)
        self.arrivals: defaultdict[str, list[float]] = defaultdict(list)
        self.broken = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, owners: list[str], count: int) -> None:
        """Open that many streams, owners in turn."""
        for number in range(count):
            owner = owners[number % len(owners)]
            reader, writer = await asyncio.open_connection(self._url.host, self._url.port)
            head = (
                f"GET /api/v1/users/{owner}/changes/stream HTTP/1.1\r\nHost: service\r\n"
                f"Authorization: {authorization(owner)}\r\n\r\n"
            )
            writer.write(head.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
            self._tasks.append(asyncio.create_task(self._read(reader, writer)))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while content := await reader.read(2**16):
                now = time.perf_counter()
                for title in _TITLE.findall(content):
                    self.arrivals[title.decode()].append(now)
            self.broken += 1
        finally:
            writer.close()

    async def close(self) -> None:
        """Close all streams."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def authorization(owner: str) -> str:
    """Return a token for two hours."""
    return f"Bearer {sign(SECRET, owner, ttl=7200)}"


async def delays(readers: Readers, url: str, owners: list[str], each: int) -> list[float]:
    """Return milliseconds from the answer of a write at `url` to each of its events. Raises if one
    is missing.
    """
    answered: dict[str, float] = {}
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        for number in range(WRITES):
            owner, title = owners[number % len(owners)], f"{time.time_ns()}"
            answer = await client.post(
                f"/api/v1/users/{owner}/tasks",
                headers={"Authorization": authorization(owner)},
                json={"title": title},
            )
            answered[title] = time.perf_counter()
            answer.raise_for_status()
            await asyncio.sleep(1 / PER_SECOND)
    await asyncio.sleep(3)
    found = [
        max(arrival - when, 0.0) * 1e3
        for title, when in answered.items()
        for arrival in readers.arrivals[title]
    ]
    if len(found) != WRITES * each:
        raise RuntimeError(f"{WRITES * each - len(found)} events have not come")
    return found


async def others(url: str) -> list[float]:
    """Return milliseconds of another client's reads, one after the other."""
    found = []
    headers = {"Authorization": authorization("somebody")}
    async with httpx.AsyncClient(base_url=url, headers=headers) as client:
        path = "/api/v1/users/somebody/tasks"
        made = await client.post(path, json={"title": "one"})
        for _ in range(PROBES):
            began = time.perf_counter()
            answer = await client.get(f"{path}/{made.json()['id']}")
            found.append((time.perf_counter() - began) * 1e3)
            answer.raise_for_status()
            await asyncio.sleep(0.002)
    return found


def shown(milliseconds: list[float]) -> str:
    """Return median, 99th percentile and maximum."""
    ordered = sorted(milliseconds)
    return (
        f"median {statistics.median(ordered):.1f}, 99 % {ordered[int(len(ordered) * 0.99)]:.1f},"
        f" worst {ordered[-1]:.1f} ms"
    )


async def at_rest(pid: int, server: int, dsn: str) -> None:
    """Print the cost of a while without writes."""
    settle(pid)
    connection = await asyncpg.connect(dsn)
    transactions = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    before, used = await connection.fetchval(transactions), cpu(family(pid))
    with Backends(server, postgres.DATABASE) as backends:
        await asyncio.sleep(REST)
    after = await connection.fetchval(transactions)
    await connection.close()
    print(
        f"  at rest: {resident(family(pid)):.0f} MiB,"
        f" {(cpu(family(pid)) - used) / REST * 100:.1f} % of a core,"
        f" {(after - before) / REST:.0f} statements/s,"
        f" {backends.seconds / REST * 100:.1f} % of a core in the database"
    )


@contextlib.asynccontextmanager
async def two_workers(streams: int) -> AsyncIterator[tuple[int, str, str, int, str]]:
    """Yield pid and address of the worker with the streams, the other's address, the database's pid
    and URL.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.running(Path(folder) / "pg") as server,
    ):
        await migrations.migrate(server.dsn)
        bound = {"MAX_STREAMS": str(streams)}
        with (
            serving(server.dsn, (__spec__.name, "serve"), **bound) as (pid, here),
            serving(server.dsn) as (_, there),
        ):
            yield pid, here, there, server.pid, server.dsn


async def main(streams: int = STREAMS, owner_count: int = OWNERS) -> None:
    """Print everything."""
    owners = [f"owner-{number}" for number in range(owner_count)]
    each = streams // owner_count
    async with two_workers(streams) as (pid, here, there, server, dsn):
        print("no streams")
        await at_rest(pid, server, dsn)
        print(f"  others' reads: {shown(await others(here))}")
        readers = Readers(here)
        began = time.perf_counter()
        await readers.open(owners, streams)
        print(
            f"{streams} streams of {owner_count} owners, opened in {time.perf_counter() - began:.1f} s"
        )
        await at_rest(pid, server, dsn)
        print(f"  others' reads: {shown(await others(here))}")
        for name, url in (("the same worker", here), ("another worker", there)):
            found, beside = await asyncio.gather(delays(readers, url, owners, each), others(here))
            print(f"  events from {name}: {shown(found)}; others' reads: {shown(beside)}")
        print(f"  streams that broke off: {readers.broken}")
        await readers.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        # The worker with the streams: as it is deployed, with room for as many connections.
        descriptors.MAX_CONNECTIONS = 2 * int(os.environ["MAX_STREAMS"])
        run()
    else:
        asyncio.run(main(*map(int, sys.argv[1:])))
