"""Hostile noise beside normal traffic on two workers: whether anything grows, or anybody fails.

python -m tests.attacks.soak [MINUTES]

A process of its own makes the noise, from many addresses: whatever the attack tables have, in
random order, a few at a time. Meanwhile four people use their tasks, without a pause of more than a
moment and without a second try; probes and scrapes come as a platform's do. It ends with status 1
when one of their requests fails, the log has an error, or memory or descriptors have grown.
"""

import asyncio
import json
import multiprocessing
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from service.auth.tokens import sign
from service.dev import postgres
from tests.attacks.noise import Site, noise
from tests.bench.processes import family, resident
from tests.commands import Running, command, running, started
from tests.conftest import SECRET, User
from tests.proxies.running import free_port

MINUTES = 20.0
WORKERS = 2
PERIOD = 5.0
"""Seconds between two looks at the processes."""
GROWTH = 8.0
"""MiB that all processes together may have more in the last quarter than in the second."""
LEFT = 8
"""Descriptors that all processes together may have more at the end than at the start."""


@dataclass
class Good:
    """What those who mean well were answered, and how long the slowest answer took, in seconds."""

    counted: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)

    @property
    def failed(self) -> dict[str, int]:
        """What was no success."""
        return {what: number for what, number in self.counted.items() if what[0] != "2"}

    async def call(self, user: User, method: str, path: str = "", **options: object) -> object:
        """One request, once; the answer's document."""
        started = time.monotonic()
        try:
            answer = await user.call(method, path, **options)
        except httpx.TransportError as error:
            self.counted[f"{type(error).__name__} {method}"] += 1
            return None
        self.took.append(time.monotonic() - started)
        what = str(answer.status_code)
        self.counted[what if answer.is_success else f"{what} {method} {answer.text}"] += 1
        return answer.json() if answer.is_success and answer.content else None

    async def use(self, user: User, until: float) -> None:
        """Make tasks, change, list and delete them."""
        while time.monotonic() < until:
            made = await self.call(user, "POST", json={"title": "in the noise"})
            if isinstance(made, dict):
                path = f"/{made['id']}"
                await self.call(user, "GET", path)
                await self.call(user, "PATCH", path, json={"completed": True})
                await self.call(user, "GET", params={"limit": 20})
                await self.call(user, "DELETE", path)
            await asyncio.sleep(random.uniform(0, 0.2))

    async def watch(self, client: httpx.AsyncClient, url: str, every: float, until: float) -> None:
        """Ask as a platform does: on a new connection each time."""
        while time.monotonic() < until:
            started = time.monotonic()
            try:
                answer = await client.get(url, headers={"Connection": "close"})
                self.counted[f"{answer.status_code} {url[-8:]}"] += 1
            except httpx.TransportError as error:
                self.counted[f"{type(error).__name__} {url[-8:]}"] += 1
            self.took.append(time.monotonic() - started)
            await asyncio.sleep(every)


@dataclass
class Watch:
    """The processes of the service, as the system sees them, and their log."""

    run: Running
    memory: list[float] = field(default_factory=list)
    logged: Counter[str] = field(default_factory=Counter)

    def descriptors(self) -> int:
        """How many files all have open together."""
        return sum(
            len([*Path(f"/proc/{pid}/fd").iterdir()]) for pid in family(self.run.process.pid)
        )

    def read_log(self) -> None:
        """Count the lines that came, but requests, by level and text; forget them."""
        lines = self.run.lines[:]
        del self.run.lines[: len(lines)]
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:
                found = {"level": "error", "message": f"no JSON: {line}"}
            if found["level"] != "info":
                self.logged[f"{found['level']}: {found['message']}"] += 1

    async def look(self, until: float) -> None:
        """Note what the processes have, now and then."""
        while time.monotonic() < until:
            await asyncio.sleep(PERIOD)
            self.memory.append(resident(family(self.run.process.pid)))
            self.read_log()

    @property
    def quarters(self) -> list[float]:
        """MiB, the medians of the four quarters of the time."""
        quarter = len(self.memory) // 4
        return [statistics.median(self.memory[number * quarter :][:quarter]) for number in range(4)]

    @property
    def growth(self) -> float:
        """MiB between the medians of the second and the last quarter."""
        return self.quarters[3] - self.quarters[1]


async def soak(site: Site, watch: Watch, good: Good, until: float) -> None:
    """Normal traffic, until then."""
    transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    url = "http://{}:{}".format(*site.service)
    async with (
        httpx.AsyncClient(base_url=url, transport=transport, timeout=20) as client,
        httpx.AsyncClient(timeout=20) as platform,
    ):
        await asyncio.gather(
            *(good.use(User(client, f"user-{number}"), until) for number in range(4)),
            good.watch(platform, "http://{}:{}/livez".format(*site.probes), 1, until),
            good.watch(platform, "http://{}:{}/readyz".format(*site.probes), 1, until),
            good.watch(platform, "http://{}:{}/metrics".format(*site.metrics), 5, until),
            good.watch(client, f"{url}/livez", 1, until),
            watch.look(until),
        )


def report(watch: Watch, good: Good, left: int) -> bool:
    """Print what was seen; whether it is as it should be."""
    took = sorted(good.took)
    memory = watch.memory
    print(f"good requests: {len(took)}, failed: {good.failed or 'none'}")
    print(
        f"median {took[len(took) // 2] * 1000:.0f} ms, 99 %"
        f" {took[len(took) * 99 // 100] * 1000:.0f} ms, slowest {took[-1]:.2f} s"
    )
    print(
        f"memory of all processes: {memory[0]:.0f} MiB at first, {max(memory):.0f} at most,"
        f" {memory[-1]:.0f} at last; by quarters"
        f" {', '.join(f'{median:.0f}' for median in watch.quarters)}"
    )
    print(f"descriptors afterwards: {left:+d}")
    print(f"log, but info: {dict(watch.logged) or 'nothing'}")
    errors = [line for line in watch.logged if line.startswith("error")]
    return not (good.failed or errors or watch.growth > GROWTH or left > LEFT)


def main(minutes: float) -> None:
    """Start a service on a database of its own, and all that comes."""
    with (
        tempfile.TemporaryDirectory() as name,
        postgres.running(Path(name) / "pg", {"fsync": "off"}) as server,
    ):
        folder = Path(name)
        done = command("migrate", cwd=folder, DATABASE_URL=server.dsn)
        assert done.returncode == 0, done.stderr
        ports = {"PROBE_PORT": str(free_port()), "METRICS_PORT": str(free_port())}
        with running(
            "serve",
            cwd=folder,
            DATABASE_URL=server.dsn,
            JWT_SECRET=SECRET,
            WORKERS=str(WORKERS),
            **ports,
        ) as run:
            started(run, WORKERS)
            watch, good = Watch(run), Good()
            port = run.client.base_url.port
            assert port is not None
            site = Site(
                ("127.0.0.1", port),
                ("127.0.0.1", int(ports["PROBE_PORT"])),
                ("127.0.0.1", int(ports["METRICS_PORT"])),
            )
            for _ in range(40):
                mallory = {"Authorization": f"Bearer {sign(SECRET, 'mallory', ttl=3600)}"}
                long = {"title": "a", "description": "\U0001f600" * 2000}
                run.client.post("/api/v1/users/mallory/tasks", json=long, headers=mallory)
            before = watch.descriptors()
            context = multiprocessing.get_context("spawn")
            stop = context.Event()
            attacker = context.Process(target=noise, args=(site, stop), daemon=True)
            attacker.start()
            asyncio.run(soak(site, watch, good, time.monotonic() + minutes * 60))
            stop.set()
            attacker.join()
            deadline = time.monotonic() + 20  # a body's time; then all of theirs are gone
            while (left := watch.descriptors() - before) > 0 and time.monotonic() < deadline:
                time.sleep(1)
            status = run.end(signal.SIGTERM)
            watch.read_log()
    fine = report(watch, good, left)
    print(f"{minutes:g} minutes, {WORKERS} workers, end with status {status}")
    sys.exit(not fine or status)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES)
