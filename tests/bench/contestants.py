"""The servers that are compared, each started as in production, on a port of loopback."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PEER = HERE / "peer"
PEER_PYTHON = Path(os.environ.get("PEER_VENV") or HERE / ".venv-peer") / "bin" / "python"

SECRET = "a secret of the bench, 32 characters and more"
POOL = 4
START_LIMIT = 30.0  # seconds


@dataclass(frozen=True)
class Contestant:
    """A server to compare; `database` is the name of its own database."""

    name: str
    database: str
    title: str
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: Path = ROOT


@dataclass(frozen=True)
class Server:
    """A contestant that is running."""

    name: str
    database: str
    pid: int
    url: str
    port: int
    start: float
    """Seconds from the start of the process to its first answer."""


SERVICE = Contestant(
    "service",
    "service",
    "this service",
    (sys.executable, "-m", "service", "serve"),
    {
        "BETTER_AUTH_SECRET": SECRET,
        "DB_POOL_MAX": str(POOL),
        "DB_POOL_MIN": str(POOL),
        "METRICS_PORT": "0",
    },
)


def _peer(name: str, title: str, module: str) -> Contestant:
    command = (
        str(PEER_PYTHON),
        "-m",
        "uvicorn",
        f"{module}:app",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--port",
        "{port}",
    )
    return Contestant(
        name, name, title, command, {"JWT_SECRET": SECRET, "POOL_SIZE": str(POOL)}, PEER
    )


SQLMODEL = _peer("sqlmodel", "FastAPI + SQLModel", "with_sqlmodel")
RAW = _peer("raw", "FastAPI + asyncpg", "with_asyncpg")


def peer_versions() -> dict[str, str]:
    """Return the peers' versions, as locked."""
    pins = [
        line.split(" ")[0].split("==")
        for line in (PEER / "requirements-peer.lock").read_text().splitlines()
        if "==" in line
    ]
    return {
        name: version
        for name, version in pins
        if name in {"asyncpg", "fastapi", "pydantic", "sqlalchemy", "sqlmodel", "uvicorn"}
    }


def constant(size: int) -> Contestant:
    """Return Starlette answering that many bytes: the service's limit if it did nothing."""
    command = (
        sys.executable,
        "-m",
        "uvicorn",
        "tests.bench.constant:app",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
    )
    quiet = ("--port", "{port}", "--log-level", "error", "--no-access-log", "--no-server-header")
    return Contestant(
        "constant", "", f"Starlette, {size} constant bytes", command + quiet, {"SIZE": str(size)}
    )


@contextmanager
def serving(contestant: Contestant, dsn: str, log: Path) -> Iterator[Server]:
    """Run the server for the `async with` block, with its log in the file `log`."""
    port = _free_port()
    command = [part.replace("{port}", str(port)) for part in contestant.command]
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": dsn,
        "PORT": str(port),
        **contestant.environment,
    }
    began = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=contestant.folder, env=environment, stdout=out, stderr=out
        )
    try:
        url = f"http://127.0.0.1:{port}"
        start = _first_answer(process, url, log) - began
        yield Server(contestant.name, contestant.database, process.pid, url, port, start)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with closing(socket(AF_INET, SOCK_STREAM)) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _first_answer(process: subprocess.Popen[bytes], url: str, log: Path) -> float:
    """Return when /health was first answered."""
    deadline = time.perf_counter() + START_LIMIT
    while process.poll() is None and time.perf_counter() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
                answer.read()
                return time.perf_counter()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.005)
    raise RuntimeError(f"no answer from {process.args!r}:\n{log.read_text()[-2000:]}")
