"""Answers that never arrive: the change is made, nobody hears of it, and the client sends the request again."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest

from service.settings import Settings
from tests.conftest import SECRET, User, client_of, started
from tests.faults.replica import SCALE, Replica, listed


class Wire:
    """A way to the database that can be cut when the server has committed and is about to say so."""

    def __init__(self, database: str, folder: Path) -> None:
        parts = urlsplit(database)
        query = parse_qs(parts.query)
        self.host, self.port = query.get("host", [parts.hostname or ""])[0], int(query.get("port", [str(parts.port or 5432)])[0])
        self.folder = folder
        self.dsn = f"{parts.scheme}://{parts.username}:{parts.password or ''}@{parts.path}?host={quote(str(folder))}"
        self.cut_next = False
        self.cuts = 0

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_unix_server(self._connected, self.folder / ".s.PGSQL.5432")
        async with server:
            yield self

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = (
            await asyncio.open_unix_connection(f"{self.host}/.s.PGSQL.{self.port}")
            if self.host.startswith("/")
            else await asyncio.open_connection(self.host, self.port)
        )
        pumps = [asyncio.create_task(self._pump(reader, there[1])), asyncio.create_task(self._pump(there[0], writer, back=True))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for end in (writer, there[1]):
            end.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, back: bool = False) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(65536):
                # The rows' end and "ready for the next, in no transaction": it is committed.
                if back and self.cut_next and b"SELECT 1\x00Z\x00\x00\x00\x05I" in chunk:
                    self.cut_next = False
                    self.cuts += 1
                    return
                sink.write(chunk)


@pytest.fixture
async def wire(database: str, tmp_path: Path) -> AsyncIterator[Wire]:
    async with Wire(database, tmp_path).laid() as wire:
        yield wire


async def test_a_thousand_lost_answers(wire: Wire, connection: asyncpg.Connection) -> None:
    """Of 1,000 changes whose answers are lost each is made once, and repeats get the first answer, to the byte."""
    dice = random.Random(7)
    settings = Settings.model_validate({"database_url": wire.dsn, "jwt_secret": SECRET})
    async with started(settings) as app, client_of(app) as client:
        alice = User(client, "alice")
        bystander = await alice.create("bystander")
        lost = 1_000 * SCALE
        created = 1
        for number in range(lost):
            changes = dice.random() < 0.4
            method, path = ("PATCH", f"/{bystander['id']}") if changes else ("POST", "")
            request: dict[str, Any] = {"json": {"title": f"{number}"}, "headers": {"Idempotency-Key": str(uuid4())}}
            created += not changes
            # Either the client never hears of the first answer, or we ourselves never hear the database's.
            wire.cut_next = number % 4 == 0
            first = await alice.call(method, path, **request)
            assert first.headers.get("Idempotency-Replayed") == (None if number % 4 else "true")
            await meanwhile(alice, dice, bystander["id"])
            repeats = [await alice.call(method, path, **request) for _ in range(2)]
            assert {repeat.headers["Idempotency-Replayed"] for repeat in repeats} == {"true"}
            assert len({told(answer) for answer in (first, *repeats)}) == 1
            if not changes and number % 8 == 1:
                task = f"/{repeats[0].json()['id']}"
                assert (await alice.call("DELETE", task)).status_code == 204
                created -= 1
                assert told(await alice.call(method, path, **request)) == told(repeats[0])
        assert wire.cuts == lost // 4
        tasks = await listed(alice)
        assert len(tasks) == created
        assert await Replica(alice).catch_up() == tasks
    assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == lost


def told(response: httpx.Response) -> tuple[Any, ...]:
    """All of an answer that its request decides."""
    return response.status_code, response.content, *(response.headers.get(name) for name in ("Location", "ETag", "Content-Type"))


async def meanwhile(user: User, dice: random.Random, id: str) -> None:
    """Something may happen between a request and its repeat."""
    if dice.random() < 0.1:
        await user.call("PATCH", f"/{id}", json={"completed": dice.random() < 0.5})


async def test_a_put_may_be_repeated_without_a_key(wire: Wire) -> None:
    """A put whose answer was lost is put again, and there is one task; under a condition the repeat says that it was done."""
    settings = Settings.model_validate({"database_url": wire.dsn, "jwt_secret": SECRET})
    async with started(settings) as app, client_of(app) as client:
        alice = User(client, "alice")
        path = f"/{uuid4()}"
        for headers, repeated in (({}, 200), ({"If-None-Match": "*"}, 412)):
            await alice.call("DELETE", path)
            wire.cut_next = True
            assert (await alice.call("PUT", path, json={"title": "a"}, headers=headers)).status_code == 503
            assert (await alice.call("PUT", path, json={"title": "a"}, headers=headers)).status_code == repeated
            assert [task["title"] for task in (await listed(alice)).values()] == ["a"]
