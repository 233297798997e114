"""What can go wrong between a statement and its rows, as one exception with an SQLSTATE."""

import asyncpg

CONNECTION_FAILED = "08006"
CANCELLED = "57014"
TOO_MANY = "53300"
BAD_VALUE = "22000"
UNDEFINED_TABLE = "42P01"
INTERNAL = "XX000"

FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""All that asyncpg is known to raise for a statement; a cancelled task is not among them."""


class QueryFailed(Exception):
    """A statement that did not answer.

    `sqlstate` is the server's, or the nearest one where the driver has none. The message names the statement, the
    place and the constraint, but no value: the server's DETAIL prints whole rows and its text can quote input.
    """

    def __init__(self, statement: str, sqlstate: str, *, where: str = "", constraint: str = "", note: str = "") -> None:
        said = (statement, f"SQLSTATE {sqlstate}", where, constraint and f"constraint {constraint}", note)
        super().__init__(", ".join(filter(None, said)))
        self.statement = statement
        self.sqlstate = sqlstate
        self.constraint = constraint


def sqlstate_of(error: BaseException) -> str:
    """The SQLSTATE of anything in FAULTS."""
    match error:
        case asyncpg.PostgresError():
            return error.sqlstate or INTERNAL
        case asyncpg.exceptions.DataError():  # a value that the driver cannot encode
            return BAD_VALUE
        case TimeoutError():
            return CANCELLED
        case _:  # refused, reset, closed under us, or lost in the middle of the protocol
            return CONNECTION_FAILED
