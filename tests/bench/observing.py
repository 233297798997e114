"""What id, log line, metrics and layers cost: CPU of the service for each request with all of them,
as a ratio to the same without some, in one run.

python -m tests.bench.observing [ROUNDS]

Real processes on a PostgreSQL of their own take turns at reading one task, 8 connections, a second
each. Their logs go through a pipe to a reader. Medians over the rounds; ratios within a round.
Needs wrk; some 3 minutes.
"""

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from asyncio import run
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from service.auth.tokens import sign
from service.dev import postgres
from service.migrate import migrations

from .processes import cpu, family, settle

SECRET = "a secret for this bench, 32 characters and more"
TASKS = "/api/v1/users/alice/tasks"
AUTHORIZATION = f"Bearer {sign(SECRET, 'alice', ttl=7200)}"
LOGS, METRICS, NO_LOGS = {"LOG_LEVEL": "info"}, {"METRICS_PORT": "0"}, {"LOG_LEVEL": "error"}
SERVE = ("service", "serve")
NO_ID, NO_LAYERS = ("tests.bench.without", "id"), ("tests.bench.without", "layers")
KINDS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "everything": (SERVE, LOGS | METRICS),
    "no metrics": (SERVE, LOGS),
    "no log line": (SERVE, NO_LOGS | METRICS),
    "no id, log line, metrics": (NO_ID, NO_LOGS),
    "no layers": (NO_LAYERS, LOGS | METRICS),
}
"""The command and the variables of each."""


@contextlib.contextmanager
def serving(
    dsn: str, command: Sequence[str] = SERVE, **variables: str
) -> Iterator[tuple[int, str]]:
    """Run a service as deployed, by `command`; return its pid and address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": dsn,
        "JWT_SECRET": SECRET,
        "PORT": str(port),
        **variables,
    }
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reader,
        subprocess.Popen(
            [sys.executable, "-m", *command], env=environment, stderr=reader.stdin
        ) as process,
    ):
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{url}/livez")
                break
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("the service does not start")
            time.sleep(0.05)
        yield process.pid, url
        process.kill()


def cost(pid: int, url: str) -> float:
    """Return microseconds of CPU a request."""
    settle(pid)
    processes = family(pid)
    before = cpu(processes)
    command = ["wrk", "-t1", "-c8", "-d1s", "-H", f"Authorization: {AUTHORIZATION}", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    settle(pid)
    if "Non-2xx" in output:
        raise RuntimeError(output)
    done = next(int(line.split()[0]) for line in output.splitlines() if "requests in" in line) + 8
    return (cpu(processes) - before) / done * 1e6


def main(rounds: int) -> None:
    """Print the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.running(Path(folder) / "pg", {"fsync": "off"}) as server,
    ):
        run(migrations.migrate(server.dsn))
        with contextlib.ExitStack() as stack:
            running = {
                kind: stack.enter_context(serving(server.dsn, command, **variables))
                for kind, (command, variables) in KINDS.items()
            }
            url = next(iter(running.values()))[1]
            made = httpx.post(
                f"{url}{TASKS}",
                json={"title": "Buy milk"},
                headers={"Authorization": AUTHORIZATION},
            ).json()
            seen: dict[str, list[float]] = {kind: [] for kind in KINDS}
            for number in range(rounds + 1):
                for kind, (pid, url) in running.items():
                    microseconds = cost(pid, f"{url}{TASKS}/{made['id']}")
                    if number:  # the first round warms up
                        seen[kind].append(microseconds)
    print(f"{rounds} rounds, get one         us CPU   less  everything / this")
    everything = seen["everything"]
    for kind, values in seen.items():
        pairs = [*zip(everything, values, strict=True)]
        less = statistics.median(whole - value for whole, value in pairs)
        ratio = statistics.median(whole / value for whole, value in pairs)
        print(f"{kind:26} {statistics.median(values):8.1f} {less:6.1f} {ratio:7.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
