"""Metrics of several workers: each writes its counts to a file, and their parent adds them up.

The file of a dead worker still counts, so that no counter falls: Prometheus would take that for a
restart and count twice. Gauges are of live workers alone. All counts start at zero with the
service.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec

from .metrics import FAMILIES, Labels, Measured, Snapshot, Value

log = logging.getLogger("service")

FOLDER = "TASK_SERVICE_METRICS"
"""The environment variable with the folder of the workers' files, set by their parent."""
PERIOD = 1.0
"""Seconds between two writes of a worker."""
SILENT = 5.0
"""Seconds without a write after which a worker counts as hung or dead."""


class _File(msgspec.Struct):
    written: float
    values: dict[str, dict[Labels, float | Measured]]


_decode = msgspec.msgpack.Decoder(_File).decode


def encode(written: float, values: Snapshot) -> bytes:
    """Return a worker's file; `written`: seconds of `time.monotonic`, which all processes of a
    system share.
    """
    return msgspec.msgpack.encode({"written": written, "values": values})


@contextlib.asynccontextmanager
async def written_to(folder: Path, snapshot: Callable[[], Snapshot]) -> AsyncIterator[None]:
    """Write this process's metrics to the folder regularly for the `async with` block, and once
    more at its end.
    """
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}"  # pids are reused

    def write() -> None:
        half = path.with_suffix(".half")
        half.write_bytes(encode(time.monotonic(), snapshot()))
        half.rename(path)

    async def keep_writing() -> None:
        failing = False
        while True:
            try:
                write()
                failing = False
            except OSError as error:
                if not failing:
                    log.warning("metrics cannot be written to %s: %s", folder, error.strerror)
                failing = True
            await asyncio.sleep(PERIOD)

    task = asyncio.create_task(keep_writing())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        with contextlib.suppress(OSError):
            write()


@contextlib.contextmanager
def worker_files() -> Iterator["WorkerFiles"]:
    """Create a folder for the workers' files, in /tmp. Raises FileNotFoundError if that fails."""
    with tempfile.TemporaryDirectory(prefix="task-service-") as folder:
        os.environ[FOLDER] = folder
        try:
            yield WorkerFiles(Path(folder))
        finally:
            del os.environ[FOLDER]


class WorkerFiles:
    """The sum of the workers' files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._of_the_dead: dict[str, dict[Labels, Value]] = {}

    def snapshot(self) -> Snapshot:
        """Return all workers' counts since the start, and the gauges of live ones."""
        living: dict[str, dict[Labels, Value]] = {}
        for path in self._folder.iterdir():
            if path.suffix:
                continue  # half written
            file = _decode(path.read_bytes())
            gone = not _exists(int(path.name.partition("-")[0]))
            _add(
                self._of_the_dead if gone else living,
                file.values,
                gauges=time.monotonic() - file.written < SILENT and not gone,
            )
            if gone:
                path.unlink()
        total: dict[str, dict[Labels, Value]] = {}
        _add(total, self._of_the_dead, gauges=False)
        _add(total, living, gauges=True)
        return total


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _add(total: dict[str, dict[Labels, Value]], values: Snapshot, *, gauges: bool) -> None:
    for name, by_labels in values.items():
        kind = FAMILIES[name].kind
        if kind in ("gauge", "greatest") and not gauges:
            continue
        sums = total.setdefault(name, {})
        for labels, value in by_labels.items():
            sums[labels] = (
                _sum(sums[labels], value, greatest=kind == "greatest") if labels in sums else value
            )


def _sum(one: Value, other: Value, *, greatest: bool) -> Value:
    if isinstance(one, Measured) and isinstance(other, Measured):
        return one.plus(other)
    assert not isinstance(one, Measured)
    assert not isinstance(other, Measured)
    return max(one, other) if greatest else one + other
