"""The cost of a request, counted, not timed: round trips, function calls, memory."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import pytest

from service.app import Application
from service.db.execution import Execution
from service.ops.logs import configure
from service.settings import LogSettings, Settings
from tests.asking import Answer, ask
from tests.conftest import SECRET, as_service, started
from tests.counting import Calls
from tests.pooler import through
from tests.promised import UNWATCHED
from tests.relay import relay

HOME = "/api/v1/users/alice"
TASKS = f"{HOME}/tasks"
PAGE = 50
OURS = {__file__, ask.__code__.co_filename}
"""The files that ask."""
NEW = {"title": "Buy milk", "description": "Two litres"}


class Cost(NamedTuple):
    """What an operation answers and may cost."""

    status: int
    round_trips: int
    calls: int
    """Of Python functions, from the outermost layer to the driver: about a tenth above what it
    makes.
    """


COSTS = {
    "get": Cost(200, 1, 103),
    "get, not changed": Cost(304, 1, 103),
    "list": Cost(200, 1, 189),
    "list by cursor": Cost(200, 1, 145),
    "list, not changed": Cost(304, 1, 107),
    "delta sync of nothing": Cost(200, 1, 132),
    "session": Cost(200, 0, 41),
    "create": Cost(201, 4, 253),
    "create with a key": Cost(201, 6, 380),
    "put": Cost(200, 1, 144),
    "patch": Cost(200, 1, 141),
    "patch with a key": Cost(200, 5, 322),
    "delete": Cost(204, 1, 110),
    "batch of 100 creates": Cost(200, 103, 7_800),
    "batch of 100 patches": Cost(200, 102, 8_400),
}
CALLS_A_TASK = 2
"""What each further task of a list may add."""


def batch(operation: object) -> tuple[str, str, object, dict[str, str]]:
    """The request for an operation a hundred times."""
    return "POST", f"{TASKS}/batch", {"operations": [operation] * 100}, {}


class Alice:
    """A user with more than a page of tasks."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._turn = 0

    async def moves_in(self) -> None:
        """Write the tasks, and keep what later requests say that they know."""
        moves = {"operations": [{"op": "create", "task": NEW}] * (PAGE + 10)}
        made = await ask(self._app, "POST", f"{TASKS}/batch", moves)
        self.tasks = [result["task"]["id"] for result in made.body["results"]]
        self.tag = (await ask(self._app, "GET", f"{TASKS}/{self.tasks[0]}")).headers["etag"]
        page = await ask(self._app, "GET", TASKS)
        self.page_tag, self.cursor = page.headers["etag"], page.body["next"]
        self.since = (await ask(self._app, "GET", f"{HOME}/changes")).body["next"]

    async def does(self, name: str) -> Answer:
        """The operation, once more."""
        self._turn += 1
        task, patch, key = (
            f"{TASKS}/{self.tasks[0]}",
            {"completed": bool(self._turn % 2)},
            {"idempotency-key": f"{self._turn}"},
        )
        requests: dict[str, tuple[str, str, object, dict[str, str]]] = {
            "get": ("GET", task, None, {}),
            "get, not changed": ("GET", task, None, {"if-none-match": self.tag}),
            "list": ("GET", f"{TASKS}?limit={PAGE}", None, {}),
            "list of 10": ("GET", f"{TASKS}?limit=10", None, {}),
            "list by cursor": ("GET", f"{TASKS}?limit={PAGE}&cursor={self.cursor}", None, {}),
            "list, not changed": ("GET", TASKS, None, {"if-none-match": self.page_tag}),
            "delta sync of nothing": ("GET", f"{HOME}/changes?since={self.since}", None, {}),
            "session": ("GET", "/api/v1/auth/session", None, {}),
            "create": ("POST", TASKS, NEW, {}),
            "create with a key": ("POST", TASKS, NEW, key),
            "put": ("PUT", task, NEW, {}),
            "patch": ("PATCH", task, patch, {}),
            "patch with a key": ("PATCH", task, patch, key),
            "delete": ("DELETE", f"{TASKS}/{self.tasks[self._turn % len(self.tasks)]}", None, {}),
            "batch of 100 creates": batch({"op": "create", "task": NEW}),
            "batch of 100 patches": batch({"op": "patch", "id": self.tasks[0], "patch": patch}),
        }
        method, target, body, headers = requests[name]
        return await ask(self._app, method, target, body, **headers)


class Wire:
    """Looks at what the server says on one connection, and counts its `ReadyForQuery`: one ends
    each round trip.
    """

    def __init__(self) -> None:
        self.round_trips = 0
        self._rest = b""

    def __call__(self, piece: bytes) -> bytes:
        """Let it pass."""
        self._rest += piece
        # Without the kind
        while len(self._rest) > 4 and len(self._rest) > (length := int.from_bytes(self._rest[1:5])):
            self.round_trips += self._rest[:1] == b"Z"
            self._rest = self._rest[length + 1 :]
        return piece


@pytest.fixture
def wire() -> Wire:
    """Where round trips are counted."""
    return Wire()


@pytest.fixture
async def alice(wire: Wire, database: str) -> AsyncIterator[Alice]:
    """At an application as in production: one connection, and the wire counts what goes through
    it.
    """
    async with relay(database, down=wire) as port:
        dsn = through(as_service(database), port, sslmode="disable")
        settings = Settings.model_validate(
            {"database_url": dsn, "jwt_secret": SECRET, "db_pool_max": 1, "metrics_port": 0}
        )
        async with started(settings) as app:
            alice = Alice(app)
            await alice.moves_in()
            yield alice


@pytest.fixture(autouse=True)
def _unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run statements as in production, without checking their rows."""
    for name, method in UNWATCHED.items():
        monkeypatch.setattr(Execution, name, method)


@pytest.fixture(autouse=True)
def _new_objects_alone() -> Iterator[None]:
    """Let the garbage collector look at what this test makes, its application included, and at
    nothing older: that is hundreds of thousands of objects.
    """
    gc.freeze()
    yield
    gc.unfreeze()


@contextmanager
def production_logs() -> Iterator[None]:
    """Logs as `serve` writes them, to nowhere, in place of the test runner's."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        configure(LogSettings())
        yield
    root.handlers = handlers
    root.setLevel(level)


async def calls_of(operation: Awaitable[Answer]) -> tuple[Answer, int]:
    """The answer, and how many Python functions were called for it; the event loop's own are left
    out.
    """

    def counts(frame: FrameType, event: str) -> bool:
        file = frame.f_code.co_filename
        return event == "call" and "/asyncio/" not in file and file not in OURS

    with production_logs(), Calls(counts) as counted:
        answer = await operation
    return answer, counted.number


@pytest.mark.parametrize("name", COSTS)
async def test_each_operation_has_its_round_trips_and_bounded_calls(
    name: str, alice: Alice, wire: Wire
) -> None:
    """Each operation costs a known number of round trips to the database, BEGIN and COMMIT among
    them, and a bounded number of calls.
    """
    for _ in range(3):  # the statement is prepared, what is remembered is known
        await alice.does(name)
    before = wire.round_trips
    answer, calls = await calls_of(alice.does(name))
    cost = COSTS[name]
    assert (answer.status, wire.round_trips - before) == (cost.status, cost.round_trips)
    assert calls <= cost.calls


async def test_each_task_of_a_page_costs_few_calls(alice: Alice) -> None:
    """What is done for each task of a list is next to nothing, so that a page costs little more
    than a task.
    """
    for name in ("list", "list of 10"):
        await alice.does(name)
    _, page = await calls_of(alice.does("list"))
    _, short = await calls_of(alice.does("list of 10"))
    assert (page - short) / (PAGE - 10) <= CALLS_A_TASK


@pytest.mark.parametrize("name", COSTS)
async def test_a_request_leaves_no_reference_cycles(name: str, alice: Alice) -> None:
    """A request leaves nothing for the garbage collector to find."""
    with production_logs():
        await alice.does(name)
        gc.collect()
        gc.disable()
        try:
            await alice.does(name)
            assert gc.collect() == 0
        finally:
            gc.enable()


@pytest.mark.parametrize("name", ["get", "session", "patch"])
async def test_requests_leave_no_objects_behind(
    name: str, alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests leave nothing behind in memory: a hundred of them fewer than a hundred objects."""
    monkeypatch.setattr("service.db.pool.SWEEP_EVERY", 0.01)
    monkeypatch.setattr("service.layers.timeout.LISTEN_AFTER", 0.01)

    async def hundred() -> int:
        for _ in range(100):
            await alice.does(name)
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)  # the timers above, which hold a context, are due before this one
        gc.collect()
        return sys.getallocatedblocks()

    with production_logs():
        await hundred()
        before = await hundred()
        grown = await hundred() - before
    assert grown < 100
