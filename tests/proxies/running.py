"""Proxies that the tests start in front of the service."""

import contextlib
import itertools
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

HERE = Path(__file__).parent

_PORTS = 1_000
_FIRST = 20_000 + _PORTS * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 12)
_TRIED = itertools.count(secrets.randbelow(_PORTS))


def free_port() -> int:
    """Return an unused port of this machine.

    It is below those that the kernel hands out, and each process of a run has a range of its own:
    nobody else gets it before it is used.
    """
    while True:
        port = _FIRST + next(_TRIED) % _PORTS
        with contextlib.suppress(OSError), socket.socket() as tried:
            tried.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def haproxy(service: str, folder: Path) -> Iterator[str]:
    """The URL of an HAProxy in front of that address."""
    bind = f"127.0.0.1:{free_port()}"
    environment = {"BIND": bind, "SERVICE": service, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with _process(["haproxy", "-db", "-f", str(HERE / "haproxy.cfg")], bind, folder, environment):
        yield f"http://{bind}"


@contextlib.contextmanager
def nginx(service: str, folder: Path) -> Iterator[str]:
    """The URL of an nginx in front of that address."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    assert program, "nginx is missing; on Debian: apt-get install nginx-light"
    bind = f"127.0.0.1:{free_port()}"
    text = (HERE / "nginx.conf").read_text()
    (folder / "nginx.conf").write_text(
        text.replace("listen BIND", f"listen {bind}").replace("server SERVICE", f"server {service}")
    )
    arguments = [program, "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    with _process(arguments, bind, folder, None):
        yield f"http://{bind}"


@contextlib.contextmanager
def _process(
    arguments: list[str], bind: str, folder: Path, environment: dict[str, str] | None
) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(arguments, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 10
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://{bind}/todo/livez").raise_for_status()
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)
