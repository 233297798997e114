"""Streams through real processes: they end, workers share changes, clients do not read."""

import asyncio
import json
import re
import signal
import socket
from collections import Counter
from pathlib import Path

import httpx
import pytest

from service.app import Application
from service.server.delivery import VANISHED_TIMEOUT
from service.server.protocol import HttpProtocol
from tests.commands import TASKS, Running, create, running, started
from tests.conftest import SECRET, User
from tests.replicas import ended, told
from tests.server.bounded import connected, served
from tests.streams import Copy, Parser, follow

STREAM = TASKS.removesuffix("tasks") + "changes/stream"


def head(user: User) -> bytes:
    """The request of a stream."""
    return (
        f"GET {user.home}/changes/stream HTTP/1.1\r\nHost: a\r\n"
        f"Authorization: {user.headers['Authorization']}\r\n\r\n"
    ).encode()


def line_of_the_end(run: Running) -> dict[str, object]:
    """The log line of a stream's end."""
    (line,) = [json.loads(line) for line in run.lines if "stream ended" in line]
    found: dict[str, object] = line
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("drain", ["0", "1"])
def test_streams_end_whole_with_retry_however_the_process_ends(
    tmp_path: Path, database: str, number: signal.Signals, drain: str
) -> None:
    """However a process is ended, its streams end whole and with `retry`, and hold up nothing."""
    with running(
        "serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET, DRAIN_SECONDS=drain
    ) as run:
        with run.client.stream("GET", STREAM) as response:
            content = response.iter_bytes()
            assert next(content).startswith(b"id: ")
            told(run, number)
            (last,) = [*content]
        assert re.fullmatch(rb"retry: [0-9]+\n\n", last)
        assert ended(run) == 0
    assert not any("Cancel" in line for line in run.lines)
    line = line_of_the_end(run)
    assert (line["outcome"], line["events"], line["level"]) == ("drain", 0, "info")


def test_a_killed_reader_is_noticed(tmp_path: Path, database: str) -> None:
    """A client that disconnects ends its stream, with one log line."""
    with running("serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET) as run:
        create(run.client, "one")
        with run.client.stream("GET", STREAM) as response:
            (event,) = Parser().feed(next(response.iter_bytes()))
            assert event.data["task"]["title"] == "one"
        run.end(signal.SIGTERM)
    line = line_of_the_end(run)
    assert (line["outcome"], line["events"]) == ("gone", 1)


async def test_workers_see_each_others_changes(tmp_path: Path, database: str) -> None:
    """What any worker changes reaches the readers of all."""
    with running(
        "serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET, WORKERS="2"
    ) as run:
        await asyncio.to_thread(started, run, 2)
        url = str(run.client.base_url)
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            alice = User(client, "alice")
            copies = [Copy() for _ in range(6)]
            following = [asyncio.create_task(follow(alice, copy, Counter())) for copy in copies]
            made = {}
            for number in range(12):
                # A new connection each time, which either worker may take.
                async with httpx.AsyncClient(base_url=url, verify=False) as other:
                    task = await User(other, "alice").create(str(number))
                made[task["id"]] = task
            async with asyncio.timeout(20):
                while any(copy.tasks != made for copy in copies):
                    await asyncio.sleep(0.05)
            for task_ in following:
                task_.cancel()
            await asyncio.gather(*following, return_exceptions=True)


async def test_a_client_that_does_not_read_is_cut_and_delays_no_stream(
    app: Application, alice: User
) -> None:
    """A client that does not read its events is cut off; its slot is free and others' streams go
    on.
    """
    hub = app.services.hub
    for number in range(8):
        await alice.create("a" * 255, description=str(number) * 2000)
    async with served(app, read_timeout=0.2) as port:
        with socket.socket() as silent:
            silent.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)  # little is on the way
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            silent.settimeout(0)
            await asyncio.get_running_loop().sock_connect(silent, ("127.0.0.1", port))
            await asyncio.get_running_loop().sock_sendall(silent, head(alice))
            async with connected(port, head(alice)) as (reader, _):
                async with asyncio.timeout(20):
                    while not hub.ended["unread"]:
                        await asyncio.gather(
                            *[alice.create("b" * 255, description="b" * 2000) for _ in range(16)]
                        )
                        await asyncio.wait_for(reader.read(2**20), 5)
                assert hub.open == 1
                await alice.create("the last one")
                async with asyncio.timeout(20):
                    await reader.readuntil(b"the last one")


async def test_a_vanished_client_is_cut_after_30_seconds(app: Application, alice: User) -> None:
    """A client whose machine acknowledges nothing any more is given up after 30 seconds, not after
    the kernel's quarter of an hour.
    """
    accepted: list[socket.socket] = []

    def connection_made(self: HttpProtocol, transport: asyncio.Transport) -> None:
        accepted.append(transport.get_extra_info("socket"))
        HttpProtocol.connection_made(self, transport)

    async with (
        served(app, connection_made=connection_made) as port,
        connected(port, head(alice)) as (reader, _),
    ):
        await reader.readuntil(b"\n\n")
        found = accepted[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert found == VANISHED_TIMEOUT * 1000
