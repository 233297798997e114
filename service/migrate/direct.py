"""A direct session with the server, for session locks and migrations."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from ..database_url import parse
from ..db import SQL
from ..db.requirements import unmet, unmet_to_migrate
from ..db.statements import read
from ..owner import NOBODY
from .schema import COMMAND, MigrationError

LOCK_TIMEOUT = 2000
"""Milliseconds that a statement waits for a table lock, unless a migration sets its own. All later
statements on the table wait behind it, so it must be well below DB_STATEMENT_TIMEOUT.
"""

Session = psycopg.Connection[DictRow]

_POOLED = (
    "The database URL leads through a connection pooler ({evidence}). Migrations hold locks that"
    " belong to a session, and a pooler shares sessions out: set DIRECT_URL to the server's own"
    f" address and run `{COMMAND}` again."
)
_OURS = f"-c lock_timeout={LOCK_TIMEOUT} -c statement_timeout=0 -c idle_session_timeout=0"


def parameters_of(url: str) -> dict[str, Any]:
    """Return the URL as libpq's parameters. Raises MigrationError if it is not usable, or names a
    pooler.
    """
    try:
        dsn = parse(url)
    except ValueError as error:
        raise MigrationError(f"The database URL cannot be used: it {error}.") from None
    for host in dsn.hosts:
        if host.lower().partition(".")[0].endswith("-pooler"):
            raise MigrationError(_POOLED.format(evidence=f"the host is {host}"))
    if dsn.parameters.get("pgbouncer") == "true":
        raise MigrationError(_POOLED.format(evidence="pgbouncer=true"))
    parameters = dsn.for_libpq()
    # A role's timeouts for short statements must not end a long migration, or the idle session that
    # holds the lock.
    parameters["options"] = f"{parameters.get('options', '')} {_OURS}".strip()
    return {
        "connect_timeout": "10",
        "keepalives_idle": "60",
        "application_name": "task-service migrate",
    } | parameters


@contextlib.contextmanager
def connected(parameters: dict[str, Any]) -> Iterator[Session]:
    """Open a session for the `with` block. The server's errors in it, and in yoyo's sessions, are
    raised as MigrationError.
    """
    try:
        connection = psycopg.connect(
            **parameters, autocommit=True, row_factory=dict_row, cursor_factory=psycopg.RawCursor
        )
    except psycopg.Error as error:
        if "startup parameter" in str(error):
            raise MigrationError(_POOLED.format(evidence="it refuses session settings")) from None
        raise MigrationError(f"Cannot connect to the database: {error}") from None
    with contextlib.closing(connection):
        try:
            # A pooler refuses session settings, or silently drops them.
            if run(connection, "migrate/lock_timeout")[0]["milliseconds"] != LOCK_TIMEOUT:
                raise MigrationError(_POOLED.format(evidence="it drops session settings"))
            yield connection
        except psycopg.Error as error:
            raise MigrationError(f"The migration could not be run: {primary(error)}") from None


def run(session: Session, name: str, **values: object) -> list[DictRow]:
    """Run a statement file and return its rows."""
    statement = read(name, (SQL / f"{name}.sql").read_bytes(), f"{SQL.name}/{name}.sql")
    arguments = statement.arguments(statement.rows, NOBODY, values)
    cursor = session.execute(statement.text.encode(), arguments)
    return [] if statement.rows == "count" else cursor.fetchall()


def check_server(session: Session, *, creates: bool) -> None:
    """Raise MigrationError for an unfit server, and, if `creates`, for a role that may not create
    tables: yoyo would only report that its own table is missing.
    """
    [server] = run(session, "schema/server")
    missing = unmet_to_migrate(server) if creates else unmet(server)
    if missing is not None:
        raise MigrationError(missing.sentence)


def primary(error: psycopg.Error) -> str:
    """Return the server's message without its DETAIL, which quotes rows."""
    code = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
    return f"{error.diag.message_primary or error}{code}"
