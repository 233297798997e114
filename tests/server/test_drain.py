"""The end of a process: no request through a proxy fails, and a second signal ends it at once."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.commands import TASKS, Running, create, running, started
from tests.conftest import SECRET, User, as_service
from tests.proxies.running import free_port
from tests.replicas import both_up, ended, proxy, told
from tests.working_client import load

ROUNDS = int(os.environ.get("DRAIN_ROUNDS", "2"))
"""How many replicas are ended under load; 20 by `make drain`."""


def test_sigterm_makes_it_unready_and_serving_then_ends_it(tmp_path: Path, database: str) -> None:
    """After SIGTERM a process is not ready and serves on; its answers close their connections; then
    it ends with status 0.
    """
    with running(
        "serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET, DRAIN_SECONDS="2"
    ) as run:
        assert "connection" not in run.client.get("/livez").headers
        told(run)
        # The echo of the first one, as when a whole group is told
        run.process.send_signal(signal.SIGTERM)
        answer = run.client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {"process": "leaving"}
        assert answer.headers["connection"] == "close"
        create(run.client, "late")
        assert run.client.get("/livez").status_code == 200
        assert ended(run) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_sigterm_ends_the_drain_at_once(
    tmp_path: Path, database: str, workers: str
) -> None:
    """A second SIGTERM ends the drain at once, whether one process serves or several."""
    with running(
        "serve",
        cwd=tmp_path,
        DATABASE_URL=database,
        JWT_SECRET=SECRET,
        DRAIN_SECONDS="600",
        WORKERS=workers,
    ) as run:
        started(run, int(workers))
        told(run)
        time.sleep(2)  # longer than an echo takes, by way of the parent
        assert run.process.poll() is None
        run.process.send_signal(signal.SIGTERM)
        assert ended(run) == 0
    assert sum("Finished server process" in line for line in run.lines) == int(workers)


def test_workers_end_when_their_parent_is_killed(tmp_path: Path, database: str) -> None:
    """When the parent of several workers is killed, they drain and free the port."""
    with running(
        "serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET, WORKERS="2"
    ) as run:
        started(run, 2)
        # Waits until nobody writes to the log any more
        assert run.end(signal.SIGKILL) == -signal.SIGKILL
        assert sum("Finished server process" in line for line in run.lines) == 2
        with socket.create_server((run.client.base_url.host, run.client.base_url.port or 0)):
            pass


@contextlib.contextmanager
def creating(run: Running, answers: list[int]) -> Iterator[None]:
    """A request that is under way."""

    def work() -> None:
        with contextlib.suppress(httpx.TransportError):
            answers.append(run.client.post(TASKS, json={"title": "in flight"}).status_code)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=30)


async def locked(connection: asyncpg.Connection) -> None:
    """Lock what every write of Alice's needs, until the connection releases it."""
    await connection.execute(
        "INSERT INTO owners (owner_id) VALUES ('alice') ON CONFLICT DO NOTHING"
    )
    await connection.execute("BEGIN")
    await connection.execute("SELECT FROM owners WHERE owner_id = 'alice' FOR UPDATE")


async def somebody_waits(connection: asyncpg.Connection) -> None:
    """Until a statement waits for that."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
        " wait_event_type = 'Lock'"
    )
    for _ in range(1000):
        if await connection.fetchval(waiting):
            return
        await asyncio.sleep(0.02)
    pytest.fail("nobody waits")


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_drain_finishes_requests_in_progress(
    tmp_path: Path, database: str, connection: asyncpg.Connection, workers: int
) -> None:
    """A request that waits for the database when the process is told to stop gets its answer; then
    the process ends. Meanwhile nobody can connect any more.
    """
    answers: list[int] = []
    await locked(connection)
    with running(
        "serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET, WORKERS=str(workers)
    ) as run:
        started(run, workers)
        with creating(run, answers):
            await somebody_waits(connection)
            told(run)
            await asyncio.sleep(1.5)
            run.process.send_signal(signal.SIGTERM)  # there is nothing left to hurry
            await asyncio.sleep(0.2)
            assert run.process.poll() is None
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((run.client.base_url.host, run.client.base_url.port), 5)
            await connection.execute("COMMIT")
        assert ended(run) == 0
    assert answers == [201]


def ready(run: Running) -> None:
    """Wait until the replica itself says that traffic may come."""
    for _ in range(600):
        with contextlib.suppress(httpx.TransportError):
            if run.client.get("/readyz").status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail("the replica does not become ready")


async def test_replacing_replicas_in_turn_fails_no_request(
    tmp_path: Path, database: str, connection: asyncpg.Connection
) -> None:
    """Replicas, of one process and of two, that are replaced in turn behind a proxy cost no request
    under load, and no write.
    """
    ports = [str(free_port()), str(free_port())]
    counted: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:

        def replica(which: int) -> Running:
            of_its_own = {"PORT": ports[which], "WORKERS": str(which + 1)}
            url = as_service(database)
            return stack.enter_context(
                running(
                    "serve",
                    cwd=tmp_path,
                    DATABASE_URL=url,
                    JWT_SECRET=SECRET,
                    DRAIN_SECONDS="1.5",
                    **of_its_own,
                )
            )

        replicas = [replica(0), replica(1)]
        # HAProxy takes a server for up until its first check, and several workers listen only when
        # they have started.
        for run in replicas:
            await asyncio.to_thread(ready, run)
        url = stack.enter_context(proxy(tmp_path, [f"127.0.0.1:{port}" for port in ports]))
        stop = asyncio.Event()
        client = httpx.AsyncClient(base_url=url, timeout=20)
        users = [
            asyncio.create_task(load(User(client, f"user-{number}"), stop, counted))
            for number in range(6)
        ]
        statuses = []
        for round_ in range(ROUNDS):
            which = round_ % 2
            await asyncio.to_thread(both_up, tmp_path)
            replicas[which].process.send_signal(signal.SIGTERM)
            statuses.append(await asyncio.to_thread(ended, replicas[which]))
            replicas[which] = await asyncio.to_thread(replica, which)
        stop.set()
        made = [id for ids in await asyncio.gather(*users) for id in ids]
        await client.aclose()
    # The figures of `make drain`.
    print(f"\n{ROUNDS} ends under load: {dict(counted)}")  # noqa: T201
    assert statuses == [0] * ROUNDS
    assert counted.keys() == {"200", "201"}
    assert sorted(made) == sorted(
        str(row["id"]) for row in await connection.fetch("SELECT id FROM tasks")
    )
