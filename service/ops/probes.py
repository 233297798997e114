"""Liveness and readiness on a port of their own: PROBE_PORT.

Kubelets and load balancers open a connection for each probe, and on the service's own port that
waits behind everybody's connections. Here a thread answers. What it answers comes from the loop
that handles requests, by a pulse: a loop that is stuck has none, and its process is not alive.
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
"""Seconds without a pulse after which a process is taken for stuck."""
FOLDER = "TASK_SERVICE_PULSES"
"""The variable by which a parent names the folder of its workers' pulses."""

_PULSE = struct.Struct("dd")

Ready = Callable[[], Awaitable[bool]]


class Pulses:
    """The pulse of each worker, in a file named for its process."""

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
            # A worker that has ended is replaced by the supervisor, and one that starts has no
            # pulse yet; but where there is none at all, nobody is known to live.
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
    """Answer probes for the workers that run in the block, in this process or started by it.

    Raises SettingsError when the port is not to be had, or no folder for the pulses.
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
            protocol_version = "HTTP/1.1"  # which the image's health check asks for

            def do_GET(self) -> None:  # noqa: N802 - the base class's name
                """Answer one probe: the status says it all."""
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
    """Give this process's pulse, where somebody takes it, as long as the block lasts.

    `ready` says whether traffic may come; it is asked again when it has answered, once a PERIOD at
    most, and a database that keeps it waiting holds up no pulse.
    """
    folder = os.environ.get(FOLDER)
    if folder is None:
        yield
        return
    path = Path(folder) / str(os.getpid())
    state = False

    async def ask() -> None:
        nonlocal state
        while True:
            state = await ready()
            await asyncio.sleep(PERIOD)

    async def beat() -> None:
        with path.open("wb", buffering=0) as file:
            while True:
                os.pwrite(file.fileno(), _PULSE.pack(time.monotonic(), state), 0)
                await asyncio.sleep(PERIOD)

    tasks = [asyncio.create_task(ask()), asyncio.create_task(beat())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
