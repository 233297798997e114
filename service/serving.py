"""`serve`, once its settings are read: the schema it needs, and the server that runs the application."""

import logging
import signal
import sys

import uvicorn

from .db import SQL, schema
from .db.errors import QueryFailed
from .db.pool import Pool
from .db.queries import Queries
from .db.statements import load
from .settings import DatabaseSettings, Settings
from .web.protocol import HttpProtocol

KEEP_ALIVE = 75
"""Seconds; longer than the 60 of common proxies, so that it is they who close an idle connection."""
GRACE = 10
"""Seconds that requests in flight get to finish when the process is told to stop."""


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
    # uvicorn repeats the signal once it has shut down: the default would end the process there and then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        "service.app:application",
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
        timeout_graceful_shutdown=GRACE,
    )
