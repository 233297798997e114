"""Metrics of several workers: each leaves what it has counted in a file, and the process that
started them adds it up.

A file of a worker that has died still counts, so that no counter ever falls: Prometheus would take
that for a restart and count everything twice. A gauge is only of those alive. Everything begins at
zero when the service is started.
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
"""The variable that tells a worker where its file goes; the process that starts the workers sets
it.
"""
PERIOD = 1.0
"""Seconds between two writes of a worker."""
SILENT = 5.0
"""Seconds after which a worker that does not write is taken for hung or gone."""


class _File(msgspec.Struct):
    written: float
    values: dict[str, dict[Labels, float | Measured]]


_decode = msgspec.msgpack.Decoder(_File).decode


def encode(written: float, values: Snapshot) -> bytes:
    """A worker's file; `written` is when, in seconds of `time.monotonic`, which all processes of a
    system share.
    """
    return msgspec.msgpack.encode({"written": written, "values": values})


@contextlib.asynccontextmanager
async def spooled(folder: Path, snapshot: Callable[[], Snapshot]) -> AsyncIterator[None]:
    """Write this process's metrics to the folder, again and again as long as the block lasts, and
    once more at its end.
    """
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}"  # a pid may come again

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
def spool() -> Iterator["Spool"]:
    """A folder for the workers to be started, in memory where /tmp is. Raises FileNotFoundError
    when none can be made.
    """
    with tempfile.TemporaryDirectory(prefix="task-service-") as folder:
        os.environ[FOLDER] = folder
        try:
            yield Spool(Path(folder))
        finally:
            del os.environ[FOLDER]


class Spool:
    """The sum of the workers' files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._of_the_dead: dict[str, dict[Labels, Value]] = {}

    def snapshot(self) -> Snapshot:
        """What all workers have counted since the start, and what those alive are at."""
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
        return Measured(
            [a + b for a, b in zip(one.counts, other.counts, strict=True)], one.sum + other.sum
        )
    assert not isinstance(one, Measured)
    assert not isinstance(other, Measured)
    return max(one, other) if greatest else one + other
