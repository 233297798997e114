"""Every way to fail.

Handlers raise; `faults` answers. A problem's docstring is its documentation: `/problems/<slug>`,
the URI in `type`, shows it.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from .problem import Problem, ProblemDetails

RETRY_AFTER = "1"
"""Seconds: pools and databases recover in about that time, or not soon."""


class _Place(TypedDict, total=False):
    pointer: str
    parameter: str


class Fault(_Place):
    """One thing that is wrong: `pointer` (RFC 6901) leads to it in the body, or `parameter` names
    it in path, query or headers.
    """

    detail: str
    code: str


class InvalidDetails(ProblemDetails):
    """A request that is not as the contract says, with all that is wrong with it."""

    errors: list[Fault]


class BadRequest(Problem):
    """The request is not sound HTTP, for instance because a header that may stand once stands
    twice.

    `detail` says what is wrong. It is most often the work of a proxy or of a library, not of the
    data.
    """

    status, slug, title, detail = 400, "bad-request", "Bad request", "Bad request"


class NotAuthenticated(Problem):
    """The request has no bearer token, or one that is not valid.

    Send `Authorization: Bearer <token>`. "Token has expired" asks for a fresh token from the
    issuer; "Invalid credentials" is all that is ever said of a token that is wrong in any other
    way.
    """

    status, slug, title, detail = 401, "not-authenticated", "Not authenticated", "Not authenticated"
    sends = ("WWW-Authenticate",)


class NotFound(Problem):
    """There is no such thing here, or it is not yours: the answer is the same, on purpose.

    Check the path, and that the user id in it is the subject (`sub`) of the token.
    """

    status, slug, title, detail = 404, "not-found", "Not found", "Not found"


class MethodNotAllowed(Problem):
    """The path exists, but does not know this method.

    The `Allow` header lists the ones it knows.
    """

    status, slug, title, detail = (
        405,
        "method-not-allowed",
        "Method not allowed",
        "Method not allowed",
    )
    sends = ("Allow",)


class NotAcceptable(Problem):
    """The `Accept` header of the request names no form that this path has.

    Most paths answer `application/json`. Send `Accept: application/json`, or no `Accept` at all.
    """

    status, slug, title, detail = 406, "not-acceptable", "Not acceptable", "Not acceptable"


class RequestTimeout(Problem):
    """The request did not arrive in time. Nothing was changed.

    Send it again, whole and on a new connection.
    """

    status, slug, title, detail = (
        408,
        "request-timeout",
        "Request timeout",
        "The request did not arrive in time",
    )


class TooLarge(Problem):
    """The body is larger than the path takes. Nothing of it was read further or stored.

    The limit is 64 KiB, so that the longest title and description fit with every character
    escaped, and 1 MiB for a batch. Send less.
    """

    status, slug, title, detail = 413, "too-large", "Content too large", "The body is too large"


class TargetTooLong(Problem):
    """The path and the query together are longer than any that this service has.

    Send only the parameters that the contract lists.
    """

    status, slug, title, detail = (
        414,
        "target-too-long",
        "URI too long",
        "The request target is too long",
    )


class UnsupportedMediaType(Problem):
    """The body is not in a format that this path takes.

    Send JSON in UTF-8 as it is, without `Content-Encoding`, and say so in `Content-Type`. The
    answer's `Accept` or `Accept-Patch` header lists the formats.
    """

    status, slug, title, detail = (
        415,
        "unsupported-media-type",
        "Unsupported media type",
        "Unsupported media type",
    )
    sends = ("Accept", "Accept-Encoding", "Accept-Patch")


class ExpectationFailed(Problem):
    """The `Expect` header asks for something else than `100-continue`.

    Send the request without it.
    """

    status, slug, title, detail = (
        417,
        "expectation-failed",
        "Expectation failed",
        "The only expectation is 100-continue",
    )


class Misdirected(Problem):
    """The `Host` header names a host that this service does not answer for.

    Use the name that the service is published under. Its operator lists the names in
    `ALLOWED_HOSTS`.
    """

    status, slug, title, detail = (
        421,
        "misdirected",
        "Misdirected request",
        "This service does not answer for that host",
    )


class Invalid(Problem):
    """The query, the id or the body is not as the contract says. Nothing was changed.

    `detail` says the first fault, in words that a person can be shown. `errors` lists all, and
    where they are: `pointer` (RFC 6901) leads into the body, `parameter` names a parameter of the
    path or the query, `detail` says the rule, `code` is for programs.
    """

    status, slug, title, detail = 422, "invalid", "Invalid request", "The request is not valid"
    document = InvalidDetails
    example: ClassVar[Mapping[str, object]] = {
        "detail": "title: must be given",
        "errors": [{"pointer": "/title", "detail": "Must be given", "code": "missing"}],
    }

    def __init__(self, errors: Sequence[Fault]) -> None:
        super().__init__(_first(errors), members={"errors": errors})
        self.errors = errors


def _first(errors: Sequence[Fault]) -> str:
    """The first fault in one line, as front ends show it."""
    fault = errors[0]
    place = fault.get("parameter") or fault.get("pointer", "").lstrip("/") or "body"
    detail = fault["detail"]
    return f"{place.replace('~1', '/').replace('~0', '~')}: {detail[0].lower()}{detail[1:]}"


class TooManyRequests(Problem):
    """More requests than one may make in a time, or at once. Try again after the seconds in
    `Retry-After`.

    Nothing was changed. The `RateLimit` and `RateLimit-Policy` headers of every answer tell how
    much is left.
    """

    status, slug, title, detail = 429, "too-many-requests", "Too many requests", "Too many requests"
    sends = ("RateLimit", "RateLimit-Policy", "Retry-After")

    def __init__(self, detail: str = "", *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class HeadTooLarge(Problem):
    """The headers are more, or larger, than the service reads.

    Send fewer or shorter ones: cookies, for instance, mean nothing here.
    """

    status, slug, title, detail = (
        431,
        "head-too-large",
        "Request header fields too large",
        "The headers are too large",
    )


class Conflict(Problem):
    """The change contradicts what is stored. Nothing was changed.

    Read the current state and decide anew.
    """

    status, slug, title, detail = (
        409,
        "conflict",
        "Conflict",
        "The change contradicts what is stored",
    )


class InProgress(Problem):
    """Another request with this `Idempotency-Key` is being carried out at this moment.

    Send yours again, as it is, after the seconds in `Retry-After`: it will get the other one's
    answer.
    """

    status, slug, title, detail = (
        409,
        "in-progress",
        "In progress",
        "A request with this Idempotency-Key is in progress",
    )
    sends = ("Retry-After",)

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": RETRY_AFTER})


class Expired(Problem):
    """The token is from so long ago that deletions since then have been forgotten.

    Start again: ask without `since`, and when all pages are read forget every task that was not
    among them.
    """

    status, slug, title, detail = (
        410,
        "expired",
        "Gone",
        "The token is too old: start again without it",
    )


class PreconditionFailed(Problem):
    """The task is not in the state that `If-Match` or `If-None-Match` asks for. Nothing was
    changed.

    `ETag` is that of the task as it is now, if there is one. Read it, decide anew, and send that
    tag in `If-Match`.
    """

    status, slug, title, detail = (
        412,
        "precondition-failed",
        "Precondition failed",
        "The task is not in the state asked for",
    )
    sends = ("ETag",)

    def __init__(self, tag: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers={**({"ETag": tag} if tag else {}), **(headers or {})})


class KeyReused(Problem):
    """This `Idempotency-Key` was used for a different request: other method, path or body. Nothing
    was changed.

    A key belongs to one request and its repeats. Make a new key for a new request.
    """

    status, slug, title = 422, "idempotency-key-reused", "Idempotency-Key reused"
    detail = "The Idempotency-Key was used for another request"
    document = InvalidDetails
    example: ClassVar[Mapping[str, object]] = {
        "errors": [
            {
                "parameter": "Idempotency-Key",
                "detail": "Was used for another request",
                "code": "reused",
            }
        ]
    }

    def __init__(self) -> None:
        super().__init__(members=self.example)


class Refused(Problem):
    """The database refused a value. Nothing was changed.

    Check lengths and characters.
    """

    status, slug, title, detail = 422, "refused", "Value refused", "A value was refused"


class InternalError(Problem):
    """A fault of ours. Nothing you sent need be wrong.

    It is in our log under the request's id, which is `instance` here: report that id.
    """

    status, slug, title, detail = 500, "internal-error", "Internal error", "Internal error"


class Unavailable(Problem):
    """The service cannot answer at the moment. Nothing was changed.

    Send the request again, as it was, after the seconds in `Retry-After`.
    """

    status, slug, title, detail = 503, "unavailable", "Service unavailable", "Service unavailable"
    sends = ("Retry-After",)

    def __init__(self, detail: str = "", *, members: Mapping[str, object] | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": RETRY_AFTER}, members=members)


class OutcomeUnknown(Unavailable):
    """The change may have been made, or not: the database was lost before it answered. It is there
    as a whole or not at all.

    To find out, send the request again after the seconds in `Retry-After`. With the same
    `Idempotency-Key` it is carried out once, and you get its answer. Without a key: a `PUT` may be
    repeated, and 412 may mean that the first one was carried out; a repeated `DELETE` that is 404
    means that the task is gone; before you repeat a `POST` or `PATCH`, read what is there.
    """

    slug, title, detail = (
        "outcome-unknown",
        "Outcome unknown",
        "It is not known whether the change was made",
    )


class TooSlow(Problem):
    """The database took longer than a statement may. Nothing was changed.

    Try again later, or ask for less at a time.
    """

    status, slug, title, detail = 504, "too-slow", "Gateway timeout", "The database took too long"
