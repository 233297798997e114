"""Probes on a port of their own: fed by the pulse of the loop that handles requests."""

import asyncio
import os
import time
from pathlib import Path

import httpx
import pytest

from service.ops import probes
from service.ops.probes import FOLDER, Pulses, pulsing
from tests.commands import running
from tests.conftest import SECRET
from tests.proxies.running import free_port


def written(folder: Path, beat: float, ready: bool, process: int | None = None) -> None:
    name = str(process or os.getpid())
    (folder / name).write_bytes(probes._PULSE.pack(beat, ready))  # noqa: SLF001


@pytest.mark.parametrize(
    ("age", "ready", "workers", "alive", "may_come"),
    [
        (0, True, 1, 200, 200),
        (0, False, 1, 200, 503),
        (60, True, 1, 503, 503),
        (0, True, 2, 200, 503),
    ],
)
def test_a_process_is_alive_by_its_recent_pulse(
    tmp_path: Path, age: float, ready: bool, workers: int, alive: int, may_come: int
) -> None:
    """A process without a recent pulse is not alive; the service is ready if all workers are."""
    written(tmp_path, time.monotonic() - age, ready)
    pulses = Pulses(tmp_path, workers)
    assert (pulses.status("/livez"), pulses.status("/readyz")) == (alive, may_come)
    assert pulses.status("/") == 404


def test_an_ended_workers_pulse_is_ignored(tmp_path: Path) -> None:
    """The pulse of a process that is no more counts for nothing."""
    written(tmp_path, time.monotonic() - 60, ready=True, process=2**22 + 1)
    written(tmp_path, time.monotonic(), ready=True)
    assert Pulses(tmp_path, 1).status("/livez") == 200
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]


def test_before_its_first_pulse_a_process_is_not_alive(tmp_path: Path) -> None:
    """A process whose loop has not beaten yet is not known to live."""
    assert Pulses(tmp_path, 1).status("/livez") == 503


async def test_a_stuck_loop_has_no_pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pulse comes from the loop: while that is stuck there is none."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(probes, "PERIOD", 0.01)
    monkeypatch.setattr(probes, "SILENT", 0.2)

    async def ready() -> bool:
        return True

    pulses = Pulses(tmp_path, 1)

    async def beats() -> None:
        async with asyncio.timeout(10):
            while (pulses.status("/livez"), pulses.status("/readyz")) != (200, 200):
                await asyncio.sleep(0.01)

    async with pulsing(ready):
        await beats()
        time.sleep(0.3)  # noqa: ASYNC251 - this is what is tested
        assert (pulses.status("/livez"), pulses.status("/readyz")) == (503, 503)
        await beats()


async def test_readiness_is_shown_as_soon_as_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Probes see that a process is ready before its next regular pulse."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(probes, "PERIOD", 3600)
    known = asyncio.Event()
    pulses = Pulses(tmp_path, 1)
    async with pulsing(known.wait):
        await asyncio.sleep(0.01)
        assert (pulses.status("/livez"), pulses.status("/readyz")) == (200, 503)
        known.set()
        await asyncio.sleep(0.01)
        assert pulses.status("/readyz") == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_probe_port_answers_probes_alone(tmp_path: Path, database: str, workers: str) -> None:
    """PROBE_PORT answers for the service, and no other path."""
    port = free_port()
    with running(
        "serve",
        cwd=tmp_path,
        DATABASE_URL=database,
        JWT_SECRET=SECRET,
        PROBE_PORT=str(port),
        WORKERS=workers,
    ):
        for _ in range(200):
            if status(port, "/readyz") == 200:
                break
            time.sleep(0.05)
        assert [status(port, path) for path in ("/livez", "/readyz", "/metrics")] == [200, 200, 404]


def status(port: int, path: str) -> int:
    """The status, in the words that the image's health check reads."""
    answer = httpx.get(f"http://127.0.0.1:{port}{path}")
    assert answer.http_version == "HTTP/1.1"
    return answer.status_code
