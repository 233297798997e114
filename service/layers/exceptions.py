"""Turn exceptions into problems: failed statements, and unexpected errors."""

import logging
from collections.abc import Mapping

from ..db.errors import QueryFailed
from ..web.problem import Problem
from ..web.problem_types import (
    Conflict,
    InternalError,
    OutcomeUnknown,
    Refused,
    TooSlow,
    Unavailable,
)

log = logging.getLogger("service")

# SQLSTATE (PostgreSQL manual, appendix A) by its longest known prefix.
_BY_SQLSTATE: Mapping[str, type[Problem]] = {
    "08": Unavailable,  # connection lost or refused
    "22": Refused,  # data exception
    "23503": Conflict,  # foreign key
    "23505": Conflict,  # unique
    "23514": Refused,  # check
    "25006": Unavailable,  # read-only: a replica, or a fail-over under way
    "40": Unavailable,  # serialization failure, deadlock
    "53": Unavailable,  # out of connections, memory, disk
    "55P03": Unavailable,  # a lock that was not had in time
    "57014": TooSlow,  # cancelled by a timeout
    "57P": Unavailable,  # starting, stopping, killed
    "58": Unavailable,  # the server's disk or files
}


def of_failed_query(error: QueryFailed) -> Problem:
    """Return the problem for a failed statement. It reveals no internals."""
    if error.unknown:
        return OutcomeUnknown()
    for length in (5, 3, 2):
        if kind := _BY_SQLSTATE.get(error.sqlstate[:length]):
            return kind()
    return InternalError()


def problem_of(error: Exception) -> Problem:
    """Return the problem for an exception; log the exception if it is none itself."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, QueryFailed):
        problem = of_failed_query(error)
        log.log(logging.ERROR if problem.status == 500 else logging.WARNING, "%s", error)
        return problem
    log.error("unhandled exception", exc_info=error)
    return InternalError()
