"""Metrics of several workers: added up, and never falling."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest

from service.ops import worker_metrics
from service.ops.exposition import exposed_for_all
from service.ops.metrics import Measured, Metrics, Snapshot
from service.ops.worker_metrics import WorkerFiles, written_to
from service.settings import Settings, SettingsError
from tests.commands import TASKS, Running, running
from tests.conftest import SECRET
from tests.ops.samples import LIST, SCRAPED, Samples, parsed, value

REQUESTS = "task_service_http_requests_total"
LABELS = ("GET", "/", "200")


def counted(requests: int, idle: int = 2) -> Snapshot:
    return {
        REQUESTS: {LABELS: requests},
        "task_service_db_connections": {("idle",): idle},
        "task_service_key_set_age_seconds": {(): requests},
        "task_service_db_acquire_seconds": {(): Measured([requests, 0], 0.5)},
    }


def leave(folder: Path, process: int, snapshot: Snapshot, *, ago: float = 0.0) -> Path:
    """A worker's file, written some seconds ago."""
    path = folder / f"{process}-{os.urandom(4).hex()}"
    path.write_bytes(worker_metrics.encode(time.monotonic() - ago, snapshot))
    return path


@pytest.fixture
def dead() -> int:
    """The pid of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_values_of_all_workers_are_added(tmp_path: Path) -> None:
    """Counters, histograms and gauges of all workers are added; of an age the greatest counts."""
    leave(tmp_path, os.getpid(), counted(3))
    leave(tmp_path, os.getppid(), counted(4))
    assert WorkerFiles(tmp_path).snapshot() == {
        REQUESTS: {LABELS: 7},
        "task_service_db_connections": {("idle",): 4},
        "task_service_key_set_age_seconds": {(): 4},
        "task_service_db_acquire_seconds": {(): Measured([7, 0], 1.0)},
    }


def test_a_dead_workers_counters_stay(tmp_path: Path, dead: int) -> None:
    """A dead worker's counters stay, its gauges go, and its file is removed."""
    path = leave(tmp_path, dead, counted(3))
    leave(tmp_path, os.getpid(), counted(4))
    shared = WorkerFiles(tmp_path)
    for _ in range(3):
        total = shared.snapshot()
        assert total[REQUESTS] == {LABELS: 7}
        assert total["task_service_db_connections"] == {("idle",): 2}
    assert not path.exists()


def test_a_hung_workers_counters_count_once_and_its_gauges_not(tmp_path: Path) -> None:
    """A worker that no longer writes has no gauges; its counters stay, and count once when it goes
    on.
    """
    path = leave(tmp_path, os.getpid(), counted(3), ago=worker_metrics.SILENT + 1)
    shared = WorkerFiles(tmp_path)
    assert "task_service_db_connections" not in shared.snapshot()
    assert shared.snapshot()[REQUESTS] == {LABELS: 3}
    path.write_bytes(worker_metrics.encode(time.monotonic(), counted(5)))
    assert shared.snapshot()[REQUESTS] == {LABELS: 5}
    assert shared.snapshot()["task_service_db_connections"] == {("idle",): 2}


async def test_a_worker_writes_its_last_counts(tmp_path: Path) -> None:
    """What is counted up to the end is in the file."""
    metrics = Metrics()
    async with written_to(tmp_path, metrics.snapshot):
        await asyncio.sleep(0)
        metrics.requests["GET", "/", 200].observe(0.01)
    assert WorkerFiles(tmp_path).snapshot()[REQUESTS] == {LABELS: 1}


async def test_a_full_file_system_is_reported_once_and_serving_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that cannot write says so once, goes on serving, and writes again when it can."""
    monkeypatch.setattr(worker_metrics, "PERIOD", 0.001)
    folder = tmp_path / "not yet there"
    metrics = Metrics()
    async with written_to(folder, metrics.snapshot):
        while "metrics" not in caplog.text:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.05)  # so that it fails more than once
        folder.mkdir()
        metrics.requests["GET", "/", 200].observe(0.01)
        while not any(folder.iterdir()):
            await asyncio.sleep(0.001)
    assert WorkerFiles(folder).snapshot()[REQUESTS] == {LABELS: 1}
    assert [record.levelname for record in caplog.records if "metrics" in record.getMessage()] == [
        "WARNING"
    ]


def scrape(run: Running) -> Samples:
    url = next(found[1] for line in run.lines if (found := SCRAPED.search(line)))
    return parsed(httpx.get(url, verify=False).text)


def until(run: Running, name: str, expected: float, **labels: str) -> Samples:
    """The samples, once one of them has that value."""
    deadline = time.monotonic() + 60
    while value(samples := scrape(run), name, **labels) != expected:
        assert time.monotonic() < deadline, samples
        time.sleep(0.1)
    return samples


def test_killing_a_worker_lowers_no_counter(tmp_path: Path, database: str) -> None:
    """With several workers one port has the sum; when one is killed no counter falls, and the next
    one's gauges count.
    """
    (tmp_path / "tmp").mkdir()
    with running(
        "serve",
        cwd=tmp_path,
        DATABASE_URL=database,
        JWT_SECRET=SECRET,
        WORKERS="2",
        METRICS_PORT="0",
        LOG_FORMAT="text",
        TMPDIR=str(tmp_path / "tmp"),
    ) as run:
        until(run, "workers", 2)
        for _ in range(20):
            run.client.get(TASKS)
        counted = {"method": "GET", "route": LIST, "status": "200"}
        until(run, "http_requests_total", 20, **counted)
        worker = next(
            int(line.split("[")[2].split("]")[0])
            for line in run.lines
            if "Started server process" in line
        )
        os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while sum("Application startup complete" in line for line in run.lines) < 3:
            assert value(scrape(run), "http_requests_total", **counted) == 20
            assert time.monotonic() < deadline
            time.sleep(0.1)
        samples = until(run, "workers", 2)
        assert value(samples, "http_requests_total", **counted) == 20
        assert value(samples, "db_connections_max") == 8
        run.end(signal.SIGTERM)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_workers_without_a_writable_folder_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where several workers have no place to leave their files, the start is refused with a message
    that says so.
    """
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    needed = {"database_url": "postgresql://a@b/c", "jwt_secret": SECRET}
    settings = Settings.model_validate({**needed, "workers": 2, "metrics_port": 0})
    with (
        pytest.raises(
            SettingsError,
            match=(
                "METRICS_PORT: several workers need a place for files, such as /tmp: No such file"
            ),
        ),
        exposed_for_all(settings),
    ):
        pass
