"""Replicas that are stopped and replaced, and the HAProxy in front of them."""

import contextlib
import csv
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx

from tests.commands import Running
from tests.proxies.running import free_port

CONFIGURATION = Path(__file__).parent / "attacks" / "haproxy.cfg"


def wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Until the service answers through the proxy."""
    deadline = time.monotonic() + 10
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        with contextlib.suppress(httpx.TransportError):
            if client.get("/livez").status_code == 200:
                return
        time.sleep(0.05)


def told(run: Running, number: int = signal.SIGTERM) -> None:
    """Send the signal and wait until it has come through."""
    before = len(run.lines)
    run.process.send_signal(number)
    deadline = time.monotonic() + 20
    while not any(
        "shutdown requested" in line or "Shutting down" in line for line in run.lines[before:]
    ):
        assert time.monotonic() < deadline, "".join(run.lines)
        time.sleep(0.01)


def ended(run: Running, within: float = 20) -> int:
    """The exit status."""
    status = run.process.wait(timeout=within)
    run.end(signal.SIGKILL)
    return status


def both_up(folder: Path) -> None:
    """Wait until the proxy sends requests to both replicas."""
    deadline = time.monotonic() + 60
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(folder / "stats"))
            connection.sendall(b"show stat\n")
            table = b"".join(iter(partial(connection.recv, 65536), b"")).decode().removeprefix("# ")
        if [
            row["status"]
            for row in csv.DictReader(table.splitlines())
            if row["svname"] in ("one", "two")
        ] == ["UP", "UP"]:
            return
        assert time.monotonic() < deadline, table
        time.sleep(0.05)


@contextlib.contextmanager
def proxy(folder: Path, addresses: list[str]) -> Iterator[str]:
    """HAProxy as the example has it, with two replicas, quicker checks, room for a load and no
    second try; where it listens.
    """
    text = CONFIGURATION.read_text()
    [line] = [line for line in text.splitlines() if line.strip().startswith("server one")]
    for old, new in (
        (line, f"{line}\n{line.replace('server one', 'server two').replace('SERVICE', 'OTHER')}"),
        ("inter 1s", "inter 200ms"),
        ("gt 2000", "gt 1000000"),
        ("retry-on conn-failure", "retries 0"),
        ("\nglobal\n", f"\nglobal\n    stats socket {folder}/stats\n"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "haproxy.cfg").write_text(text)
    port = free_port()
    settings = {
        "BIND": f"127.0.0.1:{port}",
        "SERVICE": addresses[0],
        "OTHER": addresses[1],
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    process = subprocess.Popen(
        ["haproxy", "-db", "-f", folder / "haproxy.cfg"], env=settings, stderr=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_for(client, process)
            yield str(client.base_url)
    finally:
        process.terminate()
        process.wait(timeout=10)
