"""Copies kept by a stream alone, cut anywhere, with several writers, equal the owner's list."""

import asyncio
import contextlib
from typing import Any
from uuid import UUID, uuid4

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
)

from service.app import Application
from service.resources import stream
from service.settings import Settings
from tests.conftest import SECRET, User, client_of, started
from tests.faults.replica import listed, run_histories
from tests.faults.wire import TOGETHER, Wire
from tests.streams import Copy, Reader

IDS = st.integers(0, 3).map(lambda number: str(UUID(int=number)))
WRITES = st.tuples(
    st.sampled_from(["create", "put", "patch", "delete"]),
    IDS,
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 1),
)
"""What is done to which task, with which title, at which replica."""

Write = tuple[str, str, str, int]


class Device:
    """A copy, and the reader that it is kept by."""

    def __init__(self) -> None:
        self.copy = Copy()
        self.reader: Reader | None = None

    def connect(self, app: Application, user: User) -> None:
        """Go on where the last event was."""
        self.reader = Reader(app, user, headers=self.copy.headers)

    def take(self, most: int | None = None) -> None:
        """Take the next blocks that have come, all of them unless so many are named."""
        assert self.reader is not None
        taken = self.reader.events[:most]
        del self.reader.events[: len(taken)]
        for event in taken:
            self.copy.apply(event)

    async def cut(self, most: int) -> None:
        """Lose the connection, and all of what has come but so many blocks."""
        assert self.reader is not None
        await asyncio.sleep(0)
        self.take(most)
        await self.reader.cut()
        self.reader = None

    async def become(self, tasks: dict[str, Any], app: Application, user: User) -> None:
        """Read until the copy is the list."""
        async with asyncio.timeout(20):
            while True:
                assert self.reader is not None
                self.take()
                if self.copy.tasks == tasks:
                    return
                if self.reader.task.done():
                    await self.reader.task
                    assert self.reader.status in (200, 410)
                    if self.reader.status == 410:
                        self.copy.forget()
                    self.connect(app, user)
                await asyncio.sleep(0.001)


class Devices(RuleBasedStateMachine):
    """Two replicas, several writers at a time, and two devices that follow."""

    dsn = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        found = {"database_url": self.dsn, "jwt_secret": SECRET, "stream_poll_seconds": 0.02}
        settings = Settings.model_validate(found)
        self.owner = f"owner {uuid4()}"
        self.apps = [self._enter(started(settings)) for _ in range(2)]
        self.users = [User(self._enter(client_of(app)), self.owner) for app in self.apps]
        self.devices = [Device(), Device()]
        for number, device in enumerate(self.devices):
            self.runner.run(self._connect(device, number))

    def _enter(self, block: Any) -> Any:
        return self.runner.run(self.stack.enter_async_context(block))

    async def _connect(self, device: Device, place: int) -> None:
        device.connect(self.apps[place], self.users[place])

    def teardown(self) -> None:
        self.runner.run(self._teardown())
        self.runner.close()

    async def _teardown(self) -> None:
        for device in self.devices:
            if device.reader is not None:
                await device.reader.cut()
        await self.stack.aclose()

    @rule(writes=st.lists(WRITES, min_size=1, max_size=6))
    def write(self, writes: list[Write]) -> None:
        """Some writes, all at once."""

        async def together() -> None:
            await asyncio.gather(*[self._write(*write) for write in writes])

        self.runner.run(together())

    async def _write(self, kind: str, id: str, title: str, place: int) -> None:
        user, body = self.users[place], {"title": title}
        path = "" if kind == "create" else f"/{id}"
        method = {"create": "POST"}.get(kind, kind.upper())
        answer = await user.call(method, path, **({} if kind == "delete" else {"json": body}))
        assert answer.status_code in {200, 201, 204, 404}, answer.text

    @rule(device=st.integers(0, 1), most=st.integers(0, 4), place=st.integers(0, 1))
    def cut(self, device: int, most: int, place: int) -> None:
        """A device loses its connection after some of what has come, and goes on elsewhere."""
        self.runner.run(self.devices[device].cut(most))
        self.runner.run(self._connect(self.devices[device], place))

    @rule()
    def forget(self) -> None:
        """Deletions so far are a month old: a later one may end what is remembered of them."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(
                "UPDATE tasks SET deleted_at = deleted_at - interval '31 days' WHERE owner_id = %s",
                [self.owner],
            )

    @invariant()
    def copies_become_the_list(self) -> None:
        """Without another request."""

        async def become() -> None:
            tasks = await listed(self.users[0])
            for number, device in enumerate(self.devices):
                await device.become(tasks, self.apps[number], self.users[number])

        self.runner.run(become())


class Lagging(Devices):
    """The same without waiting for the copies at each step."""

    def copies_become_the_list(self) -> None:
        """Only at the end."""

    def teardown(self) -> None:
        Devices.copies_become_the_list(self)
        super().teardown()


def follow(machine: type[Devices], dsn: str) -> None:
    machine.dsn = dsn
    run_histories(machine)


def test_stream_events_equal_the_list_after_every_step(database: str) -> None:
    """After every step of every history the events of a stream equal the owner's list, each change
    once.
    """
    follow(Devices, database)


def test_stream_events_equal_the_list_for_slow_readers(database: str, monkeypatch: Any) -> None:
    """The same holds where changes come faster than they are read, in pages of two."""
    monkeypatch.setattr(stream, "PAGE", 2)
    follow(Lagging, database)


async def test_a_change_of_unknown_outcome_that_was_made_has_its_event(database: str) -> None:
    """If a change with an unknown outcome was made, its event arrives."""
    async with Wire(database).laid() as wire:
        found = {"database_url": wire.dsn, "jwt_secret": SECRET, "stream_poll_seconds": "off"}
        async with started(Settings.model_validate(found)) as app, client_of(app) as client:
            alice = User(client, "alice")
            await alice.create("before")
            reader = Reader(app, alice)
            await reader.next()
            wire.cut_at = TOGETHER
            answer = await alice.call("POST", json={"title": "after"})
            assert answer.json()["type"] == "/problems/outcome-unknown"
            (event,) = await reader.next()
            assert event.data["task"]["title"] == "after"
            await reader.cut()
