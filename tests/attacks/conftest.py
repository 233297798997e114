"""A real process to attack over a real socket, one for all rows, and what is watched meanwhile."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.auth.tokens import sign
from tests.commands import Running, running
from tests.conftest import SECRET, cloned
from tests.proxies.running import free_port

BOB_TITLE = "bob's own, for nobody else"

PATIENCE = 8.0
"""Seconds of silence after which a connection counts as left open: fewer than any time-out of the
server for it, which therefore ends no row.
"""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """`make attacks`: how many rows there are, and the worst of them."""
    from tests.attacks.judge import MEASURED  # which needs what stands below

    shown = int(os.environ.get("ATTACKS_SHOWN", "0"))
    if not shown or not MEASURED:
        return
    terminalreporter.write_line(
        f"{len({each.row for each in MEASURED})} rows, {len(MEASURED)} connections"
    )
    for title, key in (
        ("slowest", lambda each: each.seconds),
        ("growing most", lambda each: each.grown),
    ):
        terminalreporter.write_line(title)
        for each in sorted(MEASURED, key=key, reverse=True)[:shown]:
            terminalreporter.write_line(
                f"  {each.seconds * 1000:5.0f} ms {each.grown / 1024:+7.0f} KiB  {each.row}"
            )


@dataclass
class Answer:
    """The status lines of what came back on one connection, all of its bytes, and whether the
    service ended it.
    """

    raw: bytes
    closed: bool

    @property
    def statuses(self) -> list[int]:
        """The statuses of all answers, in order, without interim ones."""
        found = [int(part[:3]) for part in self.raw.split(b"HTTP/1.1 ")[1:]]
        return [status for status in found if status >= 200]


@dataclass
class Target:
    """The process under attack."""

    run: Running
    tokens: dict[str, str] = field(default_factory=dict)
    probes: int = 0
    metrics: int = 0

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        url = self.run.client.base_url
        assert url.port is not None
        return url.host, url.port

    def worked(self) -> float:
        """Its CPU time, in seconds."""
        stat = Path(f"/proc/{self.run.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int:
        """Its memory, in bytes."""
        pages = int(Path(f"/proc/{self.run.process.pid}/statm").read_text().split()[1])
        return pages * 4096

    def send(self, *pieces: bytes, patience: float = PATIENCE, source: str = "127.0.0.1") -> Answer:
        """Send the pieces on one connection from that address, then read until the service closes
        it, or is silent for `patience` seconds. The last request should end the connection, as a
        shorter silence says nothing on a busy machine.
        """
        received, closed = b"", False
        with socket.create_connection(self.address, patience, (source, 0)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for piece in pieces:
                    connection.sendall(piece)
                while chunk := connection.recv(65536):
                    received += chunk
                closed = True
            except TimeoutError:
                pass
            except ConnectionError:
                closed = True
        return Answer(received, closed)


@pytest.fixture(scope="session")
def target(
    server_dsn: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """The service as it is deployed, with a database in which bob has a task that nobody may
    see.
    """
    probes, metrics = free_port(), free_port()
    with (
        cloned(server_dsn, template) as database,
        running(
            "serve",
            cwd=tmp_path_factory.mktemp("attacked"),
            DATABASE_URL=database,
            JWT_SECRET=SECRET,
            ALLOWED_HOSTS="127.0.0.1,service.example",
            MAX_IN_FLIGHT="100",
            PROBE_PORT=str(probes),
            METRICS_PORT=str(metrics),
        ) as run,
    ):
        tokens = {name: sign(SECRET, name, ttl=3600) for name in ("alice", "bob")}
        target = Target(run, tokens, probes, metrics)
        bob = {"Authorization": f"Bearer {target.tokens['bob']}"}
        made = run.client.post("/api/v1/users/bob/tasks", json={"title": BOB_TITLE}, headers=bob)
        assert made.status_code == 201
        yield target
