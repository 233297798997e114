"""Every failure of a statement, as one exception with an SQLSTATE."""

from typing import NamedTuple

import asyncpg

CONNECTION_FAILED = "08006"
CONNECTION_GONE = "08003"
CANCELLED = "57014"
TOO_MANY = "53300"
UNDEFINED_TABLE = "42P01"
INTERNAL = "XX000"
ABORTED = "25P02"

FAULTS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""The exceptions that asyncpg raises for a statement, without CancelledError."""

_GOODBYES = frozenset({"57P01", "57P03", "57P04", "57P05", "25P03", "25P04"})
"""Sent by a server that ends a session, in place of a result: the statement was rolled back."""

_ANOTHER_TRY = frozenset({"40001", "40P01", "25006", "26000"})
"""Rolled back, and likely to work when tried again: a conflict, a read-only server, a prepared
statement that the server lost.
"""

_ANOTHER_CONNECTION = frozenset({"25006", "26000"})


_POOLER = "08P01"
"""PgBouncer's SQLSTATE for its own messages, and PostgreSQL's for a driver's bug."""

_NOTHING_SENT = (
    "query_wait_timeout",
    "query_timeout",  # not "query timeout", of a statement that had reached the server
    "client_idle_timeout",
    "client_login_timeout",
    "client connections exceeded",
    "no more connections allowed",
    "server login has been failing",
    "server shutting down",
    "pause failed",
)
"""Messages of PgBouncer (1.18 to 1.25) to a client that has no server at the moment."""


class QueryFailed(Exception):
    """A statement failed.

    `sqlstate` is the server's, or the nearest one if the driver has none. `unknown`: it writes, and
    may have been committed; otherwise nothing was changed. `transient`: a retry may work.
    `timed_out`: it was cancelled from here. The message names the statement, the position and the
    constraint, but no value: the server's DETAIL has rows, and its text can quote input.
    """

    def __init__(  # noqa: PLR0913 - all that is known of a failure, by name
        self,
        statement: str,
        sqlstate: str,
        *,
        where: str = "",
        constraint: str = "",
        note: str = "",
        unknown: bool = False,
        transient: bool = False,
        timed_out: bool = False,
    ) -> None:
        said = (
            statement,
            f"SQLSTATE {sqlstate}",
            where,
            constraint and f"constraint {constraint}",
            note,
        )
        super().__init__(", ".join(filter(None, (*said, "outcome unknown" if unknown else ""))))
        self.statement = statement
        self.sqlstate = sqlstate
        self.constraint = constraint
        self.unknown = unknown
        self.transient = transient
        self.timed_out = timed_out


class Diagnosis(NamedTuple):
    """The consequences of an error for its statement."""

    sqlstate: str
    lost: bool = False
    """It may have been carried out: it was sent, and no result came."""
    transient: bool = False
    """It may work on another connection, or later."""
    stale: bool = False
    """The connection is lost, and so are probably those opened before it."""


def diagnose(error: BaseException) -> Diagnosis:  # noqa: PLR0911 - a table of cases
    """Return what an error of FAULTS, raised while a statement ran, means for it.

    SQLSTATE decides, if there is one. InterfaceError and "cannot switch to state" mean that asyncpg
    has not sent the statement. A broken pipe occurs while sending, before the last message, which
    commits. Any other error without SQLSTATE may occur at any time.
    """
    match error:
        case asyncpg.InvalidCachedStatementError() | asyncpg.OutdatedSchemaCacheError():
            # Outside a transaction the driver retries this by itself.
            return Diagnosis("0A000", transient=True)
        case asyncpg.PostgresError():  # also 22000, for a value that the driver cannot encode
            if isinstance(error.__cause__, BrokenPipeError):
                return Diagnosis(CONNECTION_GONE, transient=True, stale=True)
            fault = error.__cause__ if isinstance(error.__cause__, asyncpg.PostgresError) else error
            if fault.sqlstate == _POOLER and str(fault).startswith(_NOTHING_SENT):
                return Diagnosis(_POOLER, transient=True, stale=True)
            return _by_sqlstate(fault.sqlstate or INTERNAL)
        case TimeoutError():
            return Diagnosis(CANCELLED, lost=True)
        case asyncpg.InterfaceError():
            return Diagnosis(CONNECTION_GONE, transient=True, stale=True)
        case asyncpg.InternalClientError() if str(error).startswith("cannot switch to state"):
            return Diagnosis(CONNECTION_GONE, transient=True, stale=True)
        case _:
            return Diagnosis(CONNECTION_FAILED, lost=True, transient=True, stale=True)


def _by_sqlstate(sqlstate: str) -> Diagnosis:
    if sqlstate in _GOODBYES:
        return Diagnosis(sqlstate, transient=True, stale=True)
    if sqlstate.startswith(("08", "57P")) or sqlstate == "40003":
        return Diagnosis(sqlstate, lost=True, transient=True, stale=True)
    return Diagnosis(
        sqlstate, transient=sqlstate in _ANOTHER_TRY, stale=sqlstate in _ANOTHER_CONNECTION
    )


def may_connect_soon(error: BaseException) -> bool:
    """Return whether connecting may work soon: nothing listens, the server starts or stops, or has
    no free connection.

    A timeout has used up its time, and a wrong password stays wrong.
    """
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(("08", "53", "57P"))
    return isinstance(error, OSError) and not isinstance(error, TimeoutError)
