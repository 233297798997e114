"""Standard error: complete lines in order, without waiting for a reader."""

import asyncio
import contextlib
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.ops import output
from service.ops.output import MAX_WAITING, Output
from tests.commands import environment
from tests.conftest import SECRET


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(end)


def lines(count: int) -> list[bytes]:
    return [f"{number:06} {'x' * 200}\n".encode() for number in range(count)]


def fill(out: Output, number: int = 1000) -> list[bytes]:
    """More than a pipe holds."""
    put = lines(number)
    for line in put:
        out.put(line)
    return put


def test_a_line_is_written_at_once(pipe: tuple[int, int]) -> None:
    """A record is written when `put` returns: it outlives the process."""
    Output(pipe[1]).put(b"last words\n")
    assert os.read(pipe[0], 100) == b"last words\n"


async def test_request_lines_go_out_in_one_write(pipe: tuple[int, int]) -> None:
    """Lines that may wait a moment go out in one write, before the next that may not."""
    out = Output(pipe[1])
    put = lines(5)
    for line in put:
        out.put_soon(line)
    os.set_blocking(pipe[0], False)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 1)
    await asyncio.sleep(output.GATHER * 4)
    assert os.read(pipe[0], 65536) == b"".join(put)


def test_with_a_full_pipe_lines_wait_or_are_counted_as_dropped(pipe: tuple[int, int]) -> None:
    """With the pipe full lines wait, those beyond the bound are dropped and counted, and all that
    waits comes later, in order.
    """
    out = Output(pipe[1])
    put = fill(out, MAX_WAITING + 1000)
    assert 0 < out.dropped <= 1000
    received = bytearray()
    reader = threading.Thread(target=lambda: received.extend(iter_all(pipe[0])))
    reader.start()
    out.flush()
    os.close(pipe[1])
    reader.join()
    assert bytes(received) == b"".join(put[: len(put) - out.dropped])


def iter_all(descriptor: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, 65536):
        chunks.append(chunk)
    return b"".join(chunks)


def test_exit_gives_up_on_a_stuck_reader(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends gives up on a stuck reader."""
    monkeypatch.setattr(output, "LAST_WORDS", 0.05)
    out = Output(pipe[1])
    fill(out)
    out.flush()
    assert not out.dropped


def test_without_a_reader_lines_are_dropped_and_counted(pipe: tuple[int, int]) -> None:
    """Without a reader, lines are dropped and counted, and nothing is raised."""
    out = Output(pipe[1])
    os.close(pipe[0])
    out.put(b"to nobody\n")
    assert out.dropped == 1


async def test_lines_go_on_once_the_reader_reads(pipe: tuple[int, int]) -> None:
    """Once the reader reads again, lines of requests go on by themselves."""
    out = Output(pipe[1])
    put = fill(out)
    out.put_soon(b"the last\n")
    os.set_blocking(pipe[0], False)
    received = b""
    while not received.endswith(b"the last\n"):
        with contextlib.suppress(BlockingIOError):
            received += os.read(pipe[0], 4096)
        await asyncio.sleep(0.001)
    assert received == b"".join(put) + b"the last\n"


def test_processes_on_one_pipe_do_not_mix_lines(pipe: tuple[int, int]) -> None:
    """Several processes on one pipe do not mix their lines."""
    put = [
        [f"{writer} {number} {'y' * (number % 900)}\n".encode() for number in range(2000)]
        for writer in range(2)
    ]

    def write(writer: int) -> None:
        out = Output(pipe[1])
        for line in put[writer]:
            out.put(line)
        out.flush()

    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(iter_all(pipe[0])))
    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    os.close(pipe[1])
    reader.join()
    seen = received[0].splitlines(keepends=True)
    assert [
        [line for line in seen if line.startswith(b"%d " % writer)] for writer in range(2)
    ] == put


def test_with_a_full_log_pipe_the_service_answers_and_ends(tmp_path: Path, database: str) -> None:
    """With a full log pipe the service still answers, and still ends on SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = environment(
        DATABASE_URL=database, JWT_SECRET=SECRET, PORT=str(port), DRAIN_SECONDS="0"
    )
    command = [sys.executable, "-m", "service", "serve"]
    with subprocess.Popen(command, cwd=tmp_path, env=variables, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, select.PIPE_BUF)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(httpx.TransportError):
                    client.get("/")
                    break
                assert time.monotonic() < deadline
                time.sleep(0.05)
            for _ in range(100):
                assert client.get("/").status_code == 200
        process.terminate()
        assert process.wait(timeout=30) == 0
        first = json.loads(process.stderr.readline())
    assert first["message"] == "task-service starts"
