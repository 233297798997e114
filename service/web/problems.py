"""Every way to fail, as problem details (RFC 9457).

Handlers raise; this module answers. A problem's docstring is its documentation: `/problems/<slug>`, the URI in `type`,
shows it.
"""

import logging
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import ClassVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..db.errors import QueryFailed
from .context import request_id

log = logging.getLogger("service")

RETRY_AFTER = "1"
"""Seconds: pools and databases recover in about that time, or not soon."""


class Problem(Exception):
    """The parent of all others; never an answer itself."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "problem"
    title: ClassVar[str] = "Problem"
    detail: ClassVar[str] = ""

    def __init__(
        self,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail or self.detail)
        self.headers = dict(headers or {})
        self.members = members or {}

    @classmethod
    def explanation(cls) -> str:
        """What it means and what to do."""
        return cleandoc(cls.__doc__ or "")


class BadRequest(Problem):
    """The request is not sound HTTP, for instance because a header that may stand once stands twice."""

    status, slug, title, detail = 400, "bad-request", "Bad request", "Bad request"


class NotAuthenticated(Problem):
    """The request has no bearer token, or one that is not valid.

    Send `Authorization: Bearer <token>`. "Token has expired" asks for a fresh token from the issuer; "Invalid
    credentials" is all that is ever said of a token that is wrong in any other way.
    """

    status, slug, title, detail = 401, "not-authenticated", "Not authenticated", "Not authenticated"


class NotFound(Problem):
    """There is no such thing here, or it is not yours: the answer is the same, on purpose.

    Check the path, and that the user id in it is the subject (`sub`) of the token.
    """

    status, slug, title, detail = 404, "not-found", "Not found", "Not found"


class MethodNotAllowed(Problem):
    """The path exists, but does not know this method. The `Allow` header lists the ones it knows."""

    status, slug, title, detail = 405, "method-not-allowed", "Method not allowed", "Method not allowed"


class TooLarge(Problem):
    """The body is larger than any task can be. Nothing of it was read further or stored."""

    status, slug, title, detail = 413, "too-large", "Content too large", "The body is too large"


class UnsupportedMediaType(Problem):
    """The body is not in a format that this path takes. Send JSON, and say so in `Content-Type`."""

    status, slug, title, detail = 415, "unsupported-media-type", "Unsupported media type", "Unsupported media type"


class Invalid(Problem):
    """The query, the id or the body is not as the contract says. Nothing was changed.

    `errors` lists what is wrong and where: `pointer` (RFC 6901) leads into the body, `parameter` names a parameter of
    the path or the query, `detail` says the rule, `code` is for programs.
    """

    status, slug, title, detail = 422, "invalid", "Invalid request", "The request is not valid"

    def __init__(self, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__(members={"errors": errors})


class Conflict(Problem):
    """The change contradicts what is stored. Read the current state and decide anew."""

    status, slug, title, detail = 409, "conflict", "Conflict", "The change contradicts what is stored"


class InProgress(Problem):
    """Another request with this `Idempotency-Key` is being carried out at this moment.

    Send yours again, as it is, after the seconds in `Retry-After`: it will get the other one's answer.
    """

    status, slug, title, detail = 409, "in-progress", "In progress", "A request with this Idempotency-Key is in progress"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": RETRY_AFTER})


class Expired(Problem):
    """The token is from so long ago that deletions since then have been forgotten.

    Start again: ask without `since`, and when all pages are read forget every task that was not among them.
    """

    status, slug, title, detail = 410, "expired", "Gone", "The token is too old: start again without it"


class PreconditionFailed(Problem):
    """The task is not in the state that `If-Match` or `If-None-Match` asks for. Nothing was changed.

    `ETag` is that of the task as it is now, if there is one. Read it, decide anew, and send that tag in `If-Match`.
    """

    status, slug, title, detail = 412, "precondition-failed", "Precondition failed", "The task is not in the state asked for"

    def __init__(self, tag: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers={**({"ETag": tag} if tag else {}), **(headers or {})})


class KeyReused(Problem):
    """This `Idempotency-Key` was used for a different request: other method, path or body. Nothing was changed.

    A key belongs to one request and its repeats. Make a new key for a new request.
    """

    status, slug, title = 422, "idempotency-key-reused", "Idempotency-Key reused"
    detail = "The Idempotency-Key was used for another request"


class Refused(Problem):
    """The database refused the value. Nothing was changed. Check lengths and characters."""

    status, slug, title, detail = 422, "refused", "Invalid request", "A value was refused"


class InternalError(Problem):
    """A fault of ours; it is in our log under the request's id, which is `instance` here. Nothing you sent need be wrong."""

    status, slug, title, detail = 500, "internal-error", "Internal error", "Internal error"


class Unavailable(Problem):
    """The service cannot answer at the moment. Try again after the seconds in `Retry-After`.

    The fate of a change that was being made is not known: look before you repeat it.
    """

    status, slug, title, detail = 503, "unavailable", "Service unavailable", "Service unavailable"

    def __init__(self, detail: str = "", *, members: Mapping[str, object] | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": RETRY_AFTER}, members=members)


class TooSlow(Problem):
    """The database took longer than a statement may. Nothing was changed."""

    status, slug, title, detail = 504, "too-slow", "Gateway timeout", "The database took too long"


def kinds() -> dict[str, type[Problem]]:
    """Every kind of problem by its slug."""
    found: dict[str, type[Problem]] = {}
    waiting = Problem.__subclasses__()
    while waiting:
        kind = waiting.pop()
        found[kind.slug] = kind
        waiting += kind.__subclasses__()
    return found


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


def answer(problem: Problem) -> Response:
    """The problem as `application/problem+json`."""
    document = {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": str(problem),
        "instance": request_id.get(),
        **problem.members,
    }
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(msgspec.json.encode(document), problem.status, headers, media_type="application/problem+json")


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
