"""The pool of connections."""

import asyncpg

from ..settings import DatabaseSettings

RETIRE_IDLE_AFTER = 240.0
"""Seconds; a serverless database cuts idle connections after 300."""


async def _no_reset(connection: object) -> None:
    """Statements are single and leave no session state: the usual reset would be a round trip for nothing."""


def pool_of(settings: DatabaseSettings) -> asyncpg.Pool:
    """The pool, not opened yet. Opening it connects to nothing: a database that is away must not stop the start."""
    return asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=0,
        max_size=settings.db_pool_max,
        max_inactive_connection_lifetime=RETIRE_IDLE_AFTER,
        command_timeout=settings.db_statement_timeout,
        reset=_no_reset,
        server_settings={"application_name": "task-service"},
    )


async def warm(pool: asyncpg.Pool, size: int, timeout: float) -> None:
    """Open `size` connections before the first request has to. Raises what connecting raises, or TimeoutError."""
    held: list[asyncpg.pool.PoolConnectionProxy] = []
    try:
        while len(held) < size:
            held.append(await pool.acquire(timeout=timeout))
    finally:
        for connection in held:
            await pool.release(connection)
