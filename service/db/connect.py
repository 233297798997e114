"""Open connections to the database, with prepared statements if the path to it keeps them."""

import logging
import ssl
from typing import Any

import asyncpg

from ..database_url import Dsn
from .connection import Connection
from .keepalive import keep_alive
from .statements import shipped

log = logging.getLogger("service")

STATEMENT_CACHE = 100
"""Prepared statements that a connection may cache: more than exist."""


class Connector:
    """Opens connections for the pool, with TCP keepalive.

    A pooler in transaction mode gives each transaction another session. If it does not track
    prepared statements (PgBouncer before 1.21), they are lost, and must not be cached. The first
    connection finds out with one more statement, unless the URL says so (`pgbouncer=true`,
    `statement_cache_size=0`).
    """

    def __init__(self, dsn: Dsn) -> None:
        self._parameters = dsn.parameters
        self._arguments = dsn.for_asyncpg()
        self._arguments["server_settings"].setdefault("application_name", "task-service")
        self.cache_size = dsn.statement_cache_size
        """How many prepared statements a connection caches; None until known."""
        self._probe = shipped()["pool/probe"].text

    async def __call__(self, *_: object, **arguments: Any) -> Connection:
        """Open a connection with the pool's arguments. Raises what asyncpg.connect raises."""
        if self.cache_size is None:
            connection = await self._connect(STATEMENT_CACHE, arguments)
            if await self._keeps_statements(connection):
                self.cache_size = STATEMENT_CACHE
                return connection
            self.cache_size = 0
            log.info("a pooler without prepared statements is in front: none are used")
        return await self._connect(self.cache_size, arguments)

    async def _connect(self, cache_size: int, arguments: dict[str, Any]) -> Connection:
        try:
            connection = await asyncpg.connect(
                **{**arguments, "connection_class": Connection},
                **self._arguments,
                statement_cache_size=cache_size,
            )
        except ssl.SSLCertVerificationError as error:
            # No traceback.
            refused = error.verify_message
            log.error("the database's certificate is refused: %s", refused)  # noqa: TRY400
            raise
        except ConnectionError as error:
            if "rejected SSL upgrade" in str(error):
                log.error(  # noqa: TRY400 - no traceback
                    "the database has no TLS; on a private network, set sslmode=disable in its URL"
                )
            raise

        assert isinstance(connection, Connection)
        keep_alive(connection.socket, self._parameters)
        return connection

    async def _keeps_statements(self, connection: Connection) -> bool:
        """Return whether this connection keeps prepared statements. If not, or on failure, close
        it.
        """
        keeps = False
        try:
            keeps = await connection.fetchval(self._probe, connection.get_server_pid())
        except asyncpg.DuplicatePreparedStatementError:
            pass  # the pooler's session has the name from another client
        finally:
            if not keeps:
                connection.terminate()
        return keeps
