"""Turn exceptions into answers: failed statements, problems, and what the framework raises."""

import logging
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from ..db.errors import QueryFailed
from ..web.problem import Problem, answer
from ..web.problem_types import (
    BadRequest,
    Conflict,
    InternalError,
    MethodNotAllowed,
    NotFound,
    OutcomeUnknown,
    Refused,
    TooLarge,
    TooSlow,
    Unavailable,
    UnsupportedMediaType,
)

log = logging.getLogger("service")

# What the framework itself raises.
_BY_STATUS = {
    kind.status: kind
    for kind in (BadRequest, NotFound, MethodNotAllowed, TooLarge, UnsupportedMediaType)
}

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
    """Return the problem that answers a failed statement. It says nothing of the inside."""
    if error.unknown:
        return OutcomeUnknown()
    for length in (5, 3, 2):
        if kind := _BY_SQLSTATE.get(error.sqlstate[:length]):
            return kind()
    return InternalError()


def of_http_exception(error: HTTPException) -> Problem:
    """The framework's own 404, 405 and the like."""
    kind = _BY_STATUS.get(
        error.status_code, BadRequest if error.status_code < 500 else InternalError
    )
    return kind(headers=error.headers)


class Faults:
    """Answer the exceptions that clients hear of: problems, failed statements, the framework's
    own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            await self.app(scope, receive, send)
            return
        except Problem as raised:
            problem = raised
        except QueryFailed as error:
            problem = of_failed_query(error)
            log.log(logging.ERROR if problem.status == 500 else logging.WARNING, "%s", error)
        except HTTPException as error:
            problem = of_http_exception(error)
        await answer(problem)(scope, receive, send)
