"""What can go wrong between a statement and its rows, as one exception with an SQLSTATE."""

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
"""All that asyncpg is known to raise for a statement; a cancelled task is not among them."""

_GOODBYES = frozenset({"57P01", "57P03", "57P04", "57P05", "25P03", "25P04"})
"""What a server says before it ends a session of its own accord. It says it instead of the answer:
what ran is undone.
"""

_ANOTHER_TRY = frozenset({"40001", "40P01", "25006", "26000"})
"""Undone, and likely to work when tried again: a conflict, a server that is none to write to, a
prepared statement it forgot.
"""

_ANOTHER_CONNECTION = frozenset({"25006", "26000"})


_POOLER = "08P01"
"""With which PgBouncer says what it has to say itself; and a server, that the driver is wrong."""

_NOTHING_SENT = (
    "query_wait_timeout",
    "query_timeout",  # "query timeout" is another one: of what the server was at work on
    "client_idle_timeout",
    "client_login_timeout",
    "client connections exceeded",
    "no more connections allowed",
    "server login has been failing",
    "server shutting down",
    "pause failed",
)
"""What PgBouncer (1.18 to 1.25) says to a client that has no server at that moment."""


class QueryFailed(Exception):
    """A statement that did not answer.

    `sqlstate` is the server's, or the nearest one where the driver has none. `unknown`: it writes,
    and may have been carried out all the same; otherwise nothing was changed. `transient`: it may
    work when it is tried again. `timed_out`: it was given up here, whatever the server does. The
    message names the statement, the place and the constraint, but no value: the server's DETAIL
    prints whole rows and its text can quote input.
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
    """What a fault means for the statement that met it."""

    sqlstate: str
    lost: bool = False
    """It may have been carried out: it was sent, and its answer never came."""
    transient: bool = False
    """It may work on another connection, or soon."""
    stale: bool = False
    """The connection is of no more use, and others that were opened before it hardly are."""


def diagnose(error: BaseException) -> Diagnosis:  # noqa: PLR0911 - a table of cases
    """What anything in FAULTS means that came out of running a statement on a connection that was
    had.

    By SQLSTATE where there is one. asyncpg tells by an InterfaceError that it has not sent the
    statement, and so it does when it "cannot switch to state". A broken pipe is met when sending:
    the last message, by which a statement is committed, never left. Whatever else has no SQLSTATE
    may have happened at any time.
    """
    match error:
        case asyncpg.InvalidCachedStatementError() | asyncpg.OutdatedSchemaCacheError():
            # Outside a transaction the driver tries again by itself.
            return Diagnosis("0A000", transient=True)
        case asyncpg.PostgresError():  # also for a value that the driver cannot encode: 22000
            if isinstance(error.__cause__, BrokenPipeError):
                return Diagnosis(CONNECTION_GONE, transient=True, stale=True)
            told = error.__cause__ if isinstance(error.__cause__, asyncpg.PostgresError) else error
            if told.sqlstate == _POOLER and str(told).startswith(_NOTHING_SENT):
                return Diagnosis(_POOLER, transient=True, stale=True)
            return _by_sqlstate(told.sqlstate or INTERNAL)
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
    """Whether a fault of connecting may pass: nothing listens, the server starts or stops, or has
    no room at this moment.

    A wait that has taken all its time is not tried again, and a wrong password is wrong the next
    time, too.
    """
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(("08", "53", "57P"))
    return isinstance(error, OSError) and not isinstance(error, TimeoutError)
