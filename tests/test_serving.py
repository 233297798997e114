"""The server that runs the application."""

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from service.server.listening import every_address
from service.settings import SettingsError
from tests.commands import environment, running
from tests.conftest import SECRET

BROKEN = """
from service import serving
from service.environment import read
from service.settings import Settings

serving.APPLICATION = "service.absent:application"
if __name__ == "__main__":
    serving.listen(read(Settings))
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_failed_start_has_a_failure_status(tmp_path: Path, workers: str) -> None:
    """When the application cannot start, in this process or in its workers, the exit status says
    so: 0 is for an end in order.
    """
    (tmp_path / "broken.py").write_text(BROKEN)
    ended = subprocess.run(
        [sys.executable, "broken.py"],
        cwd=tmp_path,
        env=environment(
            DATABASE_URL="postgresql://localhost/tasks",
            JWT_SECRET=SECRET,
            PORT="0",
            WORKERS=workers,
        ),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode not in (0, -9)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_host_ipv6_any_listens_on_ipv4_too(tmp_path: Path, database: str, workers: str) -> None:
    """HOST=:: takes IPv4 as IPv6, for probes too, and a client of IPv4 has the address that a
    trusted proxy is named by.
    """
    with running(
        "serve",
        cwd=tmp_path,
        DATABASE_URL=database,
        JWT_SECRET=SECRET,
        HOST="::",
        WORKERS=workers,
        TRUSTED_PROXIES="127.0.0.1",
        PROBE_PORT="0",
    ) as run:
        deadline = time.monotonic() + 30
        while "startup complete" not in "".join(run.lines):
            assert time.monotonic() < deadline, "".join(run.lines)
            time.sleep(0.05)
        [probes] = re.findall(r"probes on http://\[::\]:(\d+)", "".join(run.lines))
        for host, believed in (("127.0.0.1", True), ("[::1]", False)):
            answer = httpx.get(
                f"http://{host}:{run.client.base_url.port}/nowhere",
                headers={"X-Forwarded-Prefix": "/said"},
            )
            assert answer.status_code == 404
            assert answer.json()["type"].startswith("/said") == believed
            assert httpx.get(f"http://{host}:{probes}/livez").status_code == 200


def test_host_ipv6_any_needs_the_port_on_ipv4_too() -> None:
    """HOST=:: where another listens on the port is refused by name, if on IPv4 alone."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            SettingsError, match=rf"PORT: cannot listen on \[::\]:{port}: Address already in use"
        ):
            every_address(port)
