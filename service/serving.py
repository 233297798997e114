"""`serve`, once its settings are read: the schema it needs, and the server that runs the application."""

import contextlib
import logging
import math
import os
import signal
import sys

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from .db import SQL, schema
from .db.errors import QueryFailed
from .db.pool import Pool
from .db.queries import Queries
from .db.statements import load
from .ops.exposition import exposed_for_all
from .settings import DatabaseSettings, Settings
from .web.protocol import HttpProtocol

APPLICATION = "service.app:application"
KEEP_ALIVE = 75
"""Seconds; longer than the 60 of common proxies, so that it is they who close an idle connection."""


async def check_schema(settings: DatabaseSettings) -> None:
    """Refuse a schema that is behind this build. A database that is away is waited for by the readiness probe."""
    async with Pool(settings) as pool:
        try:
            difference = await schema.difference(Queries(load(SQL), pool, settings))
        except QueryFailed as error:
            logging.getLogger("service").warning("the schema cannot be checked yet: %s", error)
            return
    if difference.problem:
        raise schema.MigrationError(difference.problem)


def listen(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Each worker reads the settings from the environment, as this process did."""
    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        # What is in flight has its own bound; a second more for the answer.
        timeout_graceful_shutdown=math.ceil(settings.request_timeout) + 1,
    )
    # uvicorn repeats the signals once it has shut down: the default would end the process there and then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt), exposed_for_all(settings):
        if settings.workers > 1:
            supervisor = Supervisor(config, [config.bind_socket()])
            supervisor.run()
            started = all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)
        else:
            server = uvicorn.Server(config)
            server.run()
            started = server.started
        if not started:
            sys.exit(STARTUP_FAILURE)


class Supervisor(Multiprocess):
    """The parent of several workers. Signals that come while it waits for their end go to them: a second one hurries."""

    def join_all(self) -> None:
        """Wait for the workers to end."""
        for process in self.processes:
            while process.exitcode is None:
                process.process.join(0.1)
                while self.signal_queue:
                    number = self.signal_queue.pop(0)
                    for other in self.processes:
                        if other.exitcode is None and other.pid is not None:
                            os.kill(other.pid, number)
