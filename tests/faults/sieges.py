"""Many clients at once: who wait for few connections, and who go away. `slack`: as in scenarios."""

import asyncio
import random
import statistics
import time
from pathlib import Path

import asyncpg

from tests.faults.measurements import Figure, quiet, whole
from tests.faults.site import Server, Site, sited, until


async def crowded(server: Server, folder: Path, *, seconds: float, slack: float) -> list[Figure]:
    """Five connections, 200 clients, and statements that take their time."""
    figures = []
    async with sited(server, folder, wired=True, DB_POOL_MAX="5", DB_ACQUIRE_TIMEOUT="10") as site:
        waits, alive = await _besieged(site, seconds)
        median, longest = statistics.median(waits), max(waits)
        figures += [
            Figure("answers", str(len(waits)), len(waits) > 200),
            Figure(
                "median, longest",
                f"{median:.2f} s, {longest:.2f} s",
                longest < (2 + slack) * median,
            ),
            Figure("slowest /livez", f"{alive * 1000:.0f} ms", alive <= 0.05 + slack),
            *await whole(site, 5),
        ]
    async with sited(server, folder, wired=True, DB_POOL_MAX="5", DB_ACQUIRE_TIMEOUT="0.5") as site:
        waits, _ = await _besieged(site, seconds, refused=True)
        figures += [
            Figure("turned away after 0.5 s", str(len(waits)), len(waits) > 0),
            Figure("slowest of them", f"{max(waits):.2f} s", max(waits) <= 1 + slack),
            *await whole(site, 5),
        ]
    return figures


async def _besieged(
    site: Site, seconds: float, *, refused: bool = False
) -> tuple[list[float], float]:
    """How long 200 clients wait once all of them do; or how long those that are turned away. And
    the slowest /livez.
    """
    site.wire.latency = 0.02
    clients = [site.client(f"owner{number % 20}") for number in range(200)]
    end, waits, alive = time.monotonic() + seconds, list[float](), list[float]()
    least = 1 if refused else len(clients) + 1

    def over() -> bool:
        """However slow the machine, there are answers enough to compare."""
        late = time.monotonic() - end
        return late >= 0 and (len(waits) >= least or late > 60)

    async def ask(number: int) -> None:
        client = clients[number]
        rounds = 0
        while not over():
            answer = await client.call("GET", f"/api/v1/users/{client.owner}/tasks")
            assert answer.status == 200 or (
                refused and answer.status == 503 and "retry-after" in answer.headers
            ), answer
            rounds += 1
            # In the first round the queue is still growing.
            if (answer.status == 503) if refused else rounds > 1:
                waits.append(answer.seconds)

    async def probe() -> None:
        client = site.client()
        while not over():
            answer = await client.call("GET", "/livez")
            assert answer.status == 200
            alive.append(answer.seconds)
            await asyncio.sleep(0.05)
        client.close()

    await asyncio.gather(probe(), *(ask(number) for number in range(len(clients))))
    for client in clients:
        client.close()
    site.wire.latency = 0
    return waits, max(alive)


async def gone(server: Server, folder: Path, *, clients: int, slack: float) -> list[Figure]:
    """Clients that go away in the middle of their requests, reading and writing."""
    async with sited(
        server, folder, wired=True, MAX_IN_FLIGHT="1000", DB_STATEMENT_TIMEOUT="14"
    ) as site:
        crowd = site.crowd(owners=1, each=1)
        dice, left, watched = random.Random(3), clients, site.client()
        site.wire.latency = 0.02

        async def leave() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                client = site.client(f"owner{dice.randrange(20)}")
                home = f"/api/v1/users/{client.owner}/tasks"
                body = {"title": "gone", "description": "gone"}
                request = (
                    client.request("POST", home, body)
                    if dice.random() < 0.5
                    else client.request("GET", home)
                )
                _, writer = await asyncio.open_connection(*site.address)
                writer.write(request)
                await asyncio.sleep(dice.random() * 0.3)
                writer.transport.abort()

        began = time.monotonic()
        await asyncio.gather(*(leave() for _ in range(100)))
        site.wire.latency = 0
        silence = await until(lambda: quiet(site))
        seconds = time.monotonic() - began
        failed = sum(
            [
                (await watched.call("GET", "/api/v1/users/alice/tasks")).status != 200
                for _ in range(20)
            ]
        )
        watched.close()
        ended = await _left_alone(site)
        verdict = await site.verdict(crowd)
        made = await site.admin.fetchval("SELECT count(*) FROM tasks")
        return [
            Figure("clients that went away", f"{clients}, in {seconds:.0f} s"),
            Figure(
                "seconds until no statement of theirs ran", f"{silence:.2f}", silence <= 2 + slack
            ),
            Figure(
                "tasks made by half of them",
                str(made),
                0 <= made <= clients and verdict.duplicates <= 20,
            ),
            Figure(
                "a statement that waits ends with its client", f"{ended:.2f} s", ended <= 1 + slack
            ),
            Figure("requests afterwards that fail", str(failed), failed == 0),
            *await whole(site, 4),
        ]


async def _left_alone(site: Site) -> float:
    """Seconds from the going of a client to the end of its statement, which waits for a lock."""
    other = await asyncpg.connect(site.dsn)
    async with other.transaction():
        await other.execute("LOCK TABLE tasks")
        _, writer = await asyncio.open_connection(*site.address)
        writer.write(site.client().request("GET", "/api/v1/users/alice/tasks"))
        await until(lambda: _waits(site))
        writer.transport.abort()
        seconds = await until(lambda: quiet(site))
    await other.close()
    return seconds


async def _waits(site: Site) -> bool:
    return await site.sessions("wait_event_type = 'Lock'") == 1
