"""Answer liveness and readiness probes on a port of their own: PROBE_PORT.

Kubelets and load balancers open a connection for each probe, which on the service's own port would
queue behind all other connections. Here a thread answers, from the pulse of the event loop that
handles requests: without a pulse the loop is stuck, and its process is not alive.
"""

import asyncio
import contextlib
import os
import struct
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from ..settings import Settings, SettingsError
from .side_port import Bounded, listening

PERIOD = 0.5
"""Seconds between two pulses."""
SILENT = 10.0
"""Seconds without a pulse after which a process counts as stuck."""
FOLDER = "TASK_SERVICE_PULSES"
"""The environment variable with the folder of the workers' pulses, set by their parent."""

_PULSE = struct.Struct("dd")

Ready = Callable[[], Awaitable[bool]]


class Pulses:
    """The pulses of the workers, each in a file named by its pid."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder = folder
        self._workers = workers

    def status(self, path: str) -> int:
        """Return 200 or 503 for `/livez` and `/readyz`, 404 for any other path."""
        if path not in ("/livez", "/readyz"):
            return 404
        now = time.monotonic()
        pulses = [_PULSE.unpack(content) for content in self._contents()]
        alive = [now - beat <= SILENT for beat, _ in pulses]
        if path == "/livez":
            # The supervisor replaces an ended worker, and a starting one has no pulse yet. Without
            # any pulse no worker is alive.
            return 200 if alive and all(alive) else 503
        ready = [bool(ready) for _, ready in pulses]
        return 200 if len(ready) >= self._workers and all(alive) and all(ready) else 503

    def _contents(self) -> Iterator[bytes]:
        for path in self._folder.iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(path.name), 0)
                content = path.read_bytes()
                if len(content) == _PULSE.size:
                    yield content
                continue
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def probed(settings: Settings) -> Iterator[None]:
    """Answer probes for the workers that run in the `with` block, in this process or its children.

    Raises SettingsError if the port, or a folder for the pulses, is not available.
    """
    if settings.probe_port is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="task-service-"))
        except OSError as error:
            raise SettingsError(
                f"PROBE_PORT: needs a place for files, such as /tmp: {error.strerror}"
            ) from None
        pulses = Pulses(Path(folder), settings.workers)

        class Probe(Bounded):
            protocol_version = "HTTP/1.1"  # as the image's health check sends it

            def do_GET(self) -> None:  # noqa: N802 - the base class's name
                """Answer a probe with a status alone."""
                self.send_response(pulses.status(self.path.partition("?")[0]))
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()

            do_HEAD = do_GET  # noqa: N815 - the base class's name

        os.environ[FOLDER] = folder
        stack.callback(os.environ.pop, FOLDER, None)
        stack.enter_context(
            listening("PROBE_PORT", settings.host, settings.probe_port, Probe, "probes")
        )
        yield


@contextlib.asynccontextmanager
async def pulsing(ready: Ready) -> AsyncIterator[None]:
    """Write this process's pulse for the `async with` block, if a parent wants it.

    `ready` returns whether traffic may come. It is called again after it returned, at most once a
    PERIOD; a database that keeps it waiting does not delay the pulse.
    """
    folder = os.environ.get(FOLDER)
    if folder is None:
        yield
        return
    with (Path(folder) / str(os.getpid())).open("wb", buffering=0) as file:
        state = False

        def beat() -> None:
            os.pwrite(file.fileno(), _PULSE.pack(time.monotonic(), state), 0)

        async def ask() -> None:
            nonlocal state
            while True:
                state = await ready()
                beat()  # at once: a platform waits for this
                await asyncio.sleep(PERIOD)

        async def keep_beating() -> None:
            while True:
                beat()
                await asyncio.sleep(PERIOD)

        tasks = [asyncio.create_task(ask()), asyncio.create_task(keep_beating())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
