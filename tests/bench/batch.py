"""What a batch of 100 saves: 100 creates, patches and deletes in one request, against 100 requests.

python -m tests.bench.batch [ROUNDS]

Straight to the application, so that no client's and no server's work is counted, on a PostgreSQL of
its own that writes to disk as a real one does, and again without waiting for the disk. The ways take
turns, so that other load on the machine hits all alike. Medians; CPU is the service's.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from service.app import Application
from service.dev import postgres
from service.migrate.migrations import migrate
from service.settings import Settings
from tests.asking import ask
from tests.conftest import SECRET, started

TASKS = "/api/v1/users/alice/tasks"
NEW = {"title": "Buy milk", "description": "Two litres"}
NUMBER = 100
AT_ONCE = 8
Way = Callable[[Application, list[dict[str, Any]]], Awaitable[list[Any]]]


async def single(app: Application, operation: dict[str, Any]) -> Any:
    """Return the operation as a request of its own, and the task that it answers with."""
    task = f"{TASKS}/{operation.get('id')}"
    method, path, body = {
        "create": ("POST", TASKS, operation.get("task")),
        "patch": ("PATCH", task, operation.get("patch")),
        "delete": ("DELETE", task, None),
    }[operation["op"]]
    answer = await ask(app, method, path, body)
    assert answer.status < 300, answer
    return answer.body


async def one_by_one(app: Application, operations: list[dict[str, Any]]) -> list[Any]:
    """Send each request when the one before is answered."""
    return [await single(app, operation) for operation in operations]


async def some_at_once(app: Application, operations: list[dict[str, Any]]) -> list[Any]:
    """Send the requests on several connections, as a client would."""
    waiting = iter(operations)

    async def connection() -> list[Any]:
        return [await single(app, operation) for operation in waiting]

    parts = await asyncio.gather(*(connection() for _ in range(AT_ONCE)))
    return [task for part in parts for task in part]


async def together(app: Application, operations: list[dict[str, Any]]) -> list[Any]:
    """Send all operations in one batch."""
    answer = await ask(app, "POST", f"{TASKS}/batch", {"operations": operations})
    assert answer.status == 200, answer
    return [result.get("task") for result in answer.body["results"]]


WAYS: dict[str, Way] = {
    f"{NUMBER} requests": one_by_one,
    f"{NUMBER} requests, {AT_ONCE} at once": some_at_once,
    "one batch": together,
}


async def measure(dsn: str, rounds: int) -> None:
    """Print a line for each operation and each way to send it."""
    settings = Settings.model_validate(
        {"database_url": dsn, "jwt_secret": SECRET, "log_level": "warning"}
    )
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}

    async def timed(op: str, way: str, app: Application, operations: list[dict[str, Any]]) -> Any:
        began, worked = time.perf_counter(), time.process_time()
        answers = await WAYS[way](app, operations)
        seconds = time.perf_counter() - began, time.process_time() - worked
        taken.setdefault((op, way), []).append(seconds)
        return answers

    async with started(settings) as app:
        for _ in range(rounds):
            for way in WAYS:
                new = [{"op": "create", "task": NEW}] * NUMBER
                ids = [task["id"] for task in await timed("create", way, app, new)]
                patches = [{"op": "patch", "id": i, "patch": {"completed": True}} for i in ids]
                await timed("patch", way, app, patches)
                await timed("delete", way, app, [{"op": "delete", "id": i} for i in ids])
    for op in ("create", "patch", "delete"):
        base: tuple[float, ...] = ()
        for way in WAYS:
            medians = [statistics.median(kind) for kind in zip(*taken[op, way], strict=True)]
            base = base or (*medians,)
            ratios = [first / median for first, median in zip(base, medians, strict=True)]
            print(
                f"  {op:7} {way:24} {medians[0] * 1000:8.1f} ms  {medians[1] * 1000:8.1f} ms of CPU"
                f"   1/{ratios[0]:.1f}  1/{ratios[1]:.1f}"
            )


def main(rounds: int) -> None:
    """Print the table."""
    for title, options in (
        ("durable", {}),
        ("without waiting for the disk", {"synchronous_commit": "off", "fsync": "off"}),
    ):
        print(f"{title}, {rounds} rounds")
        with (
            tempfile.TemporaryDirectory(dir=Path("/tmp")) as folder,
            postgres.running(Path(folder) / "pg", options) as server,
        ):
            asyncio.run(migrate(server.dsn))
            asyncio.run(measure(server.dsn, rounds))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
