"""The command line: as real processes, which end by themselves or serve, and called in this one."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from service import __main__
from service.auth.tokens import sign
from service.db import SQL
from service.db.statements import load
from tests.conftest import SECRET
from tests.logged import LOGGED
from tests.pooler import routed

ROOT = Path(__file__).parents[1]

AUTHORIZATION = {"Authorization": f"Bearer {sign(SECRET, 'alice', ttl=24 * 3600)}"}

TASKS = "/api/v1/users/alice/tasks"


def environment(command: str = "", /, **variables: str) -> dict[str, str]:
    """Nothing but what a process needs, and these; no test waits for a drain that it does not ask
    for.
    """
    ours = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "DRAIN_SECONDS": "0",
        **variables,
    }
    if command == "serve" and "DATABASE_URL" in ours:
        ours["DATABASE_URL"] = routed(ours["DATABASE_URL"])
    return ours


def command(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=cwd,
        env=environment(arguments[0] if arguments else "", **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def called(*arguments: str, dsn: str, sql: Path = SQL) -> subprocess.CompletedProcess[str]:
    """A command called in this process, on that database, with the statements of that folder: its
    start takes longer than its work.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", dsn)
        patch.setattr(__main__, "shipped", lambda: load(sql))
        patch.setattr(__main__, "configure", lambda _: None)  # the log is the tests' own
        patch.setattr(sys, "stdout", output := io.StringIO())
        patch.setattr(sys, "stderr", errors := io.StringIO())
        status = __main__.main(arguments)
    return subprocess.CompletedProcess(arguments, status, output.getvalue(), errors.getvalue())


class Running:
    """A process that serves, and where; its lines as they come, both streams in one."""

    def __init__(self, *arguments: str, cwd: Path, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", *arguments],
            cwd=cwd,
            env=environment(arguments[0], **{"PORT": "0", **variables}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._address: Queue[str | None] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        try:
            address = self._address.get(timeout=60)
            assert address is not None, "".join(self.lines)
        except BaseException:  # one failure is not to become two: nobody else could end it
            self.kill()
            raise
        # Without TLS: to load the certificates of all authorities takes 30 ms.
        self.client = httpx.Client(
            base_url=address, headers=AUTHORIZATION, timeout=20, verify=False
        )

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line[0] in "{2":  # a line of the log in either format, not what a command prints
                LOGGED.add(line)
            if found := re.search(r"running on (http://[\d.:[\]]+)", line):
                self._address.put(found[1])
        self._address.put(None)

    def kill(self) -> None:
        """Kill the process with its workers, if it has not ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._ended()

    def end(self, number: signal.Signals) -> int:
        """Send the signal, to the process alone; the exit status."""
        self.client.close()
        self.process.send_signal(number)
        return self._ended()

    def _ended(self) -> int:
        status = self.process.wait(timeout=30)
        self._reader.join(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@contextlib.contextmanager
def running(*arguments: str, cwd: Path, **variables: str) -> Iterator[Running]:
    run = Running(*arguments, cwd=cwd, **variables)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.client.close()
            run.kill()


def create(client: httpx.Client, title: str) -> dict[str, Any]:
    response = client.post(TASKS, json={"title": title})
    assert response.status_code == 201, response.text
    task: dict[str, Any] = response.json()
    return task


def started(run: Running, workers: int) -> None:
    """Wait until so many workers serve."""
    deadline = time.monotonic() + 30
    while sum("startup complete" in line for line in run.lines) < workers:
        assert time.monotonic() < deadline, "".join(run.lines)
        time.sleep(0.05)
