"""Serve the application: check the schema, then run uvicorn."""

import contextlib
import logging
import math
import platform
import signal
import socket
import sys

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from . import __version__
from .database_url import parse
from .db.errors import QueryFailed
from .db.pool import Pool
from .db.queries import Queries
from .db.statements import shipped
from .migrate import schema
from .ops.exposition import exposed_for_all
from .ops.probes import probed
from .ops.traces import wanted
from .server.descriptors import room_for_connections
from .server.listening import EVERY_ADDRESS, every_address
from .server.protocol import HttpProtocol
from .server.supervisor import Supervisor
from .settings import DatabaseSettings, Settings
from .web.addresses import authority

log = logging.getLogger("service")

APPLICATION = "service.app:application"
KEEP_ALIVE = 75
"""Seconds; above the 60 of common proxies, so that the proxy closes idle connections."""
WORKER_PATIENCE = 30
"""Seconds until an unresponsive worker is replaced; a start on a busy machine can exceed uvicorn's
5.
"""


async def check_schema(settings: DatabaseSettings) -> None:
    """Refuse an unfit server, and a schema that is behind this build. A database that is down is
    left to the readiness probe.
    """
    async with Pool(settings) as pool:
        queries = Queries(shipped(), pool, settings)
        try:
            if (missing := await schema.obstacle(queries)) is not None:
                raise schema.MigrationError(missing.sentence)
            difference = await schema.difference(queries)
        except QueryFailed as error:
            log.warning("the schema cannot be checked yet: %s", error)
            return
    if difference.problem:
        raise schema.MigrationError(difference.problem)


def startup_fields(settings: Settings) -> dict[str, object]:
    """Return the fields of the first log line: versions, addresses and features, no secrets."""
    database = parse(settings.database_url.get_secret_value())
    return {
        "version": __version__,
        "python": platform.python_version(),
        "listen": authority(settings.host, settings.port),
        "workers": settings.workers,
        "connections": room_for_connections(settings.db_pool_max).connections,
        "pool": f"{settings.db_pool_min}-{settings.db_pool_max}",
        "database": ",".join(
            f"{host}:{port}" for host, port in zip(database.hosts, database.ports, strict=True)
        ),
        "sslmode": database.sslmode,
        "tokens": "key set" if settings.jwks_url else "secret",
        "iss": "checked" if settings.jwt_issuer else "not checked",
        "aud": "checked" if settings.jwt_audience else "refused",
        "probes": "off" if settings.probe_port is None else settings.probe_port,
        "metrics": "off" if settings.metrics_port is None else settings.metrics_port,
        "traces": "on" if wanted() else "off",
        "rate_limits": (
            f"owner {settings.rate_limit_per_owner}, client {settings.rate_limit_per_client}"
        ),
        "max_in_flight": settings.max_in_flight,
        "drain_seconds": settings.drain_seconds,
    }


def _sockets(config: uvicorn.Config) -> list[socket.socket] | None:
    """Return the sockets to serve on; None if the one worker opens its own."""
    if config.host == EVERY_ADDRESS:
        return [every_address(config.port)]
    return [config.bind_socket()] if config.workers > 1 else None


def listen(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Each worker reads the settings from the environment again."""
    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="service.server.acceptor:Loop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_worker_healthcheck=WORKER_PATIENCE,
        # Requests in flight have their own timeout; a second more for the response.
        timeout_graceful_shutdown=math.ceil(settings.request_timeout) + 1,
    )
    # uvicorn raises the signals again after its shutdown, which would end the process at once.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log.info("task-service starts", extra={"fields": startup_fields(settings)})
    try:
        with contextlib.suppress(KeyboardInterrupt), exposed_for_all(settings), probed(settings):
            sockets = _sockets(config)
            if sockets is not None and settings.workers > 1:
                supervisor = Supervisor(config, sockets)
                supervisor.run()
                started = all(
                    process.exitcode != STARTUP_FAILURE for process in supervisor.processes
                )
            else:
                server = uvicorn.Server(config)
                server.run(sockets=sockets)
                started = server.started
            if not started:
                sys.exit(STARTUP_FAILURE)
    finally:
        log.info("task-service has ended")
