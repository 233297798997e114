"""A PostgreSQL that tests can end in every way, with the deployed service in front of it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self
from uuid import uuid4

import asyncpg

from service.dev import postgres
from service.migrate import migrations
from tests.commands import Running
from tests.conftest import SECRET, administer, report_on, with_database
from tests.faults.clients import Client
from tests.faults.wire import Wire
from tests.faults.work import Crowd, Verdict, judge

ROLE = "service"
OPTIONS = {
    "fsync": "off",
    "max_connections": "30",
    "superuser_reserved_connections": "3",
    "shared_buffers": "32MB",
}
"""A process that dies loses nothing that the kernel has; only a machine that dies would."""


class Server:
    """A PostgreSQL with a migrated database. It is started by a thread that lives as long as this:
    Linux ends it with that.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "pg"
        self._thread = ThreadPoolExecutor(1)
        self._run = contextlib.ExitStack()
        self.pid = 0
        self.dsn = ""

    def start(self) -> None:
        """Start it, and wait until it answers."""
        server = self._thread.submit(
            lambda: self._run.enter_context(postgres.running(self.folder, OPTIONS))
        ).result()
        self.pid, self.dsn = server.pid, server.dsn

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._thread.submit(self._run.close).result()

    def prepare(self) -> str:
        """Make a database to copy, and the role; the URL of that database."""
        administer(
            self.dsn,
            "CREATE DATABASE migrated",
            f"CREATE ROLE {ROLE} LOGIN",
            "CREATE ROLE other LOGIN",
        )
        dsn = with_database(self.dsn, "migrated")
        asyncio.run(migrations.migrate(dsn))
        administer(dsn, *asyncio.run(report_on(dsn, role=ROLE)).grants)
        return dsn

    def backends(self) -> list[int]:
        """All of its processes."""
        return [
            int(pid)
            for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        ] + [self.pid]

    def __enter__(self) -> Self:
        self.start()
        self.prepare()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.shutdown()


class Site:
    """A service on a database of its own on that server, directly or by a wire, and what is to be
    seen of both.
    """

    def __init__(
        self, server: Server, database: str, wire: Wire, run: Running, admin: asyncpg.Connection
    ) -> None:
        self.server = server
        self.database = database
        self.wire = wire
        self.run = run
        self.admin = admin
        self.open_files = self.files()

    @property
    def address(self) -> tuple[str, int]:
        """Where the service listens."""
        url = self.run.client.base_url
        assert url.port is not None
        return url.host, url.port

    @property
    def direct(self) -> str:
        """Its database, for the service, not by the wire."""
        return self.dsn.replace("postgres@", f"{ROLE}@", 1)

    @property
    def dsn(self) -> str:
        """Its database, for the superuser."""
        return with_database(self.server.dsn, self.database)

    def crowd(self, owners: int = 8, each: int = 2) -> Crowd:
        """Run clients."""
        return Crowd.of(self.address, [f"owner{number}" for number in range(owners)], each, seed=1)

    def client(self, owner: str = "alice") -> Client:
        """One client."""
        return Client(self.address, owner)

    def files(self) -> int:
        """How many files the service has open."""
        return sum(1 for _ in Path(f"/proc/{self.run.process.pid}/fd").iterdir())

    async def reconnect(self) -> None:
        """A new connection behind the service's back, after the server has ended the old one."""
        self.admin.terminate()
        self.admin = await asyncpg.connect(self.dsn)

    async def terminate(self) -> None:
        """End all of the service's sessions."""
        await self.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
            f" current_database() AND usename = '{ROLE}'"
        )

    async def occupy(self) -> list[asyncpg.Connection]:
        """Take every connection that the server has for others than superusers, those of the
        service included.
        """
        taken: list[asyncpg.Connection] = []
        dsn = self.dsn.replace("postgres@", "other@", 1)
        while True:
            try:
                taken.append(await asyncpg.connect(dsn))
            except asyncpg.TooManyConnectionsError:
                if await self.sessions() == 0:
                    return taken
                await self.terminate()

    async def sessions(self, condition: str = "true") -> int:
        """Return how many of the service's sessions have this state."""
        number: int = await self.admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename"
            f" = '{ROLE}' AND {condition}"
        )
        return number

    async def verdict(self, crowd: Crowd) -> Verdict:
        """Compare clients' answers, and the counts and sequences, with the rows stored."""
        rows = await self.admin.fetch(
            "SELECT owner_id, id::text, title, completed, version, description FROM tasks"
            " WHERE deleted_at IS NULL"
        )
        wrong = await self.admin.fetchval("""SELECT count(*)
                 FROM owners AS o
                WHERE (o.open, o.completed) <> (SELECT count(*) FILTER (WHERE NOT t.completed),
                                                       count(*) FILTER (WHERE t.completed)
                                                  FROM tasks AS t
                                                 WHERE t.owner_id = o.owner_id AND t.deleted_at IS NULL)""")
        verdict = judge(crowd.workers, [tuple(row) for row in rows])
        return verdict._replace(strange=verdict.strange + wrong)


@contextlib.asynccontextmanager
async def sited(
    server: Server, folder: Path, *, wired: bool = False, parameters: str = "", **settings: str
) -> AsyncIterator[Site]:
    """A service on a new database, for as long as the block lasts. `parameters`: more of them for
    the wire's URL.
    """
    database = f"site_{uuid4().hex}"
    administer(server.dsn, f"CREATE DATABASE {database} TEMPLATE migrated")
    dsn = with_database(server.dsn, database)
    direct = dsn.replace("postgres@", f"{ROLE}@", 1)
    admin = await asyncpg.connect(dsn)
    async with Wire(direct).laid() as wire:
        variables = {
            "DATABASE_URL": wire.dsn + parameters if wired else direct,
            "JWT_SECRET": SECRET,
            **settings,
        }
        # Our own loop has the wire, which the service needs to start.
        run = await asyncio.to_thread(lambda: Running("serve", cwd=folder, **variables))
        try:
            await until(lambda: _ready(run))
            site = Site(server, database, wire, run, admin)
            yield site
            await site.admin.close()
        finally:
            wire.hole = False
            run.process.kill()
            await asyncio.to_thread(run.end, signal.SIGKILL)
    administer(server.dsn, f"DROP DATABASE {database} WITH (FORCE)")


async def _ready(run: Running) -> bool:
    url = run.client.base_url
    client = Client((url.host, url.port or 0), "nobody")
    answer = await client.call("GET", "/readyz")
    client.close()
    return answer.status == 200


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 30.0) -> float:
    """Wait until that holds; how many seconds that took. Raises TimeoutError."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.02)
    return time.monotonic() - began
