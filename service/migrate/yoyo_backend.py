"""yoyo's connection to PostgreSQL, made fit for containers and for a DBA's log."""

import contextlib
import socket
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Self

import psycopg
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration, default_migration_table


class _Cursor(psycopg.Cursor[Any]):
    """Leaves a failed statement's text with the error: the server counts its position from there,
    and yoyo drops it.
    """

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Self:
        try:
            return super().execute(query, *args, **kwargs)
        except psycopg.Error as error:
            error.add_note(query)
            raise


class Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]  # yoyo has no types
    """yoyo's backend, for use by the holder of the migration lock."""

    def connect(self, dburi: DatabaseURI) -> psycopg.Connection[Any]:
        """As yoyo connects, with cursors that keep a failed statement's text."""
        connection: psycopg.Connection[Any] = super().connect(dburi)
        connection.cursor_factory = _Cursor
        return connection

    def get_log_data(
        self, migration: Migration | None = None, operation: str = "apply"
    ) -> dict[str, object]:
        """A row of yoyo's log. Its own asks for the account's name, which a container's uid need
        not have, and asks DNS.
        """
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": self.connection.info.user,
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


@contextlib.contextmanager
def opened(parameters: dict[str, Any]) -> Iterator[Backend]:
    """A backend on libpq's connection parameters, which holds yoyo's own lock. Raises
    psycopg.Error.

    Hold the migration lock: any row in yoyo's lock table is taken for one that a killed process
    left behind.
    """
    # yoyo's get_backend would provoke two errors in the server's log each time, to learn whether
    # DDL is transactional.
    with Backend(
        DatabaseURI("postgresql+psycopg", None, None, None, None, None, parameters),
        default_migration_table,
    ) as backend:
        if backend.lock_table not in backend.list_tables():
            backend.create_lock_table()
        backend.break_lock()
        with backend.lock():
            yield backend
