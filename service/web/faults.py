"""Faults to answers: what a client is told of a statement that failed, or of what the framework raised."""

import logging
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..db.errors import QueryFailed
from .problem import Problem, answer
from .problems import (
    BadRequest,
    Conflict,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Refused,
    TooLarge,
    TooSlow,
    Unavailable,
    UnsupportedMediaType,
)

log = logging.getLogger("service")

# What the framework itself raises.
_BY_STATUS = {kind.status: kind for kind in (BadRequest, NotFound, MethodNotAllowed, TooLarge, UnsupportedMediaType)}

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
    "57014": TooSlow,  # cancelled by a timeout
    "57P": Unavailable,  # starting, stopping, killed
}


def of_failed_query(error: QueryFailed) -> Problem:
    """What a client is told of a statement that failed; of the inside, nothing."""
    for length in (5, 3, 2):
        if kind := _BY_SQLSTATE.get(error.sqlstate[:length]):
            return kind()
    return InternalError()


def of_http_exception(error: HTTPException) -> Problem:
    """The framework's own 404, 405 and the like."""
    kind = _BY_STATUS.get(error.status_code, BadRequest if error.status_code < 500 else InternalError)
    return kind(headers=error.headers)


async def on_problem(_: Request, error: Exception) -> Response:
    """Exception handler for Problem."""
    assert isinstance(error, Problem)
    return answer(error)


async def on_failed_query(_: Request, error: Exception) -> Response:
    """Exception handler for QueryFailed."""
    assert isinstance(error, QueryFailed)
    problem = of_failed_query(error)
    log.log(logging.ERROR if problem.status == 500 else logging.WARNING, "%s", error)
    return answer(problem)


async def on_http_exception(_: Request, error: Exception) -> Response:
    """Exception handler for Starlette's HTTPException."""
    assert isinstance(error, HTTPException)
    return answer(of_http_exception(error))
