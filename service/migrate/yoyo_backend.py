"""yoyo's PostgreSQL backend, adapted to containers and quiet in the server's log."""

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
    """Keeps a failed statement's text with its error: the error's position refers to it, and yoyo
    drops it.
    """

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Self:
        try:
            return super().execute(query, *args, **kwargs)
        except psycopg.Error as error:
            error.add_note(query)
            raise


class Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]  # yoyo has no types
    """yoyo's backend, for the holder of the migration lock."""

    def connect(self, dburi: DatabaseURI) -> psycopg.Connection[Any]:
        """Connect as yoyo does, with cursors that keep a failed statement's text."""
        connection: psycopg.Connection[Any] = super().connect(dburi)
        connection.cursor_factory = _Cursor
        return connection

    def get_log_data(
        self, migration: Migration | None = None, operation: str = "apply"
    ) -> dict[str, object]:
        """Return a row of yoyo's log. yoyo's own version needs an account name, which a container's
        uid may lack, and queries DNS.
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
    """Open a backend with libpq's parameters, which holds yoyo's own lock. Raises psycopg.Error.

    Only for the holder of the migration lock: this deletes any row in yoyo's lock table, as left by
    a killed process.
    """
    # yoyo's get_backend would cause two errors in the server's log each time, to test whether DDL
    # is transactional.
    with Backend(
        DatabaseURI("postgresql+psycopg", None, None, None, None, None, parameters),
        default_migration_table,
    ) as backend:
        if backend.lock_table not in backend.list_tables():
            backend.create_lock_table()
        backend.break_lock()
        with backend.lock():
            yield backend
