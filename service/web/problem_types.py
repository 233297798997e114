"""All problems that handlers raise.

A problem's docstring is its documentation, shown at `/problems/<slug>`, the URI in `type`.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from .problem import Problem, ProblemDetails

RETRY_AFTER = "1"
"""Seconds in which pools and databases usually recover."""


class _Location(TypedDict, total=False):
    pointer: str
    parameter: str


class Fault(_Location):
    """One fault: `pointer` (RFC 6901) leads to it in the body, or `parameter` names it in path,
    query or headers.
    """

    detail: str
    code: str


class InvalidDetails(ProblemDetails):
    """An invalid request, with all its faults."""

    errors: list[Fault]


class BadRequest(Problem):
    """The request is malformed HTTP, for instance because a header is repeated.

    `detail` has the reason. The cause is most often a proxy or a library, not the data.
    """

    status, slug, title, detail = 400, "bad-request", "Bad request", "Bad request"


class NotAuthenticated(Problem):
    """The request has no bearer token, or one that is not valid.

    Send `Authorization: Bearer <token>`. After "Token has expired" get a fresh token from the
    issuer; "Invalid credentials" covers every other fault of a token.
    """

    status, slug, title, detail = 401, "not-authenticated", "Not authenticated", "Not authenticated"
    sends = ("WWW-Authenticate",)


class NotFound(Problem):
    """There is no such resource, or it is not yours: the response is the same, on purpose.

    Check the path, and that the user id in it is the subject (`sub`) of the token.
    """

    status, slug, title, detail = 404, "not-found", "Not found", "Not found"


class MethodNotAllowed(Problem):
    """The path does not support this method.

    The `Allow` header lists the supported ones.
    """

    status, slug, title, detail = (
        405,
        "method-not-allowed",
        "Method not allowed",
        "Method not allowed",
    )
    sends = ("Allow",)


class NotAcceptable(Problem):
    """The `Accept` header has no media type that this path can send.

    Most paths send `application/json`. Send `Accept: application/json`, or no `Accept` at all.
    """

    status, slug, title, detail = 406, "not-acceptable", "Not acceptable", "Not acceptable"


class RequestTimeout(Problem):
    """The request did not arrive in time. Nothing was changed.

    Send it again on a new connection.
    """

    status, slug, title, detail = (
        408,
        "request-timeout",
        "Request timeout",
        "The request did not arrive in time",
    )


class TooLarge(Problem):
    """The body is larger than this path accepts. Nothing of it was stored.

    The limit is 64 KiB, so that the longest title and description fit with every character
    escaped, and 1 MiB for a batch. Send less.
    """

    status, slug, title, detail = 413, "too-large", "Content too large", "The body is too large"


class TargetTooLong(Problem):
    """The path and the query together are too long.

    Send only the parameters that the contract lists.
    """

    status, slug, title, detail = (
        414,
        "target-too-long",
        "URI too long",
        "The request target is too long",
    )


class UnsupportedMediaType(Problem):
    """This path does not accept the body's format.

    Send JSON in UTF-8, without `Content-Encoding`, with its `Content-Type`. The response's `Accept`
    or `Accept-Patch` header lists the formats.
    """

    status, slug, title, detail = (
        415,
        "unsupported-media-type",
        "Unsupported media type",
        "Unsupported media type",
    )
    sends = ("Accept", "Accept-Encoding", "Accept-Patch")


class ExpectationFailed(Problem):
    """The `Expect` header has another value than `100-continue`.

    Send the request without it.
    """

    status, slug, title, detail = (
        417,
        "expectation-failed",
        "Expectation failed",
        "The only expectation is 100-continue",
    )


class Misdirected(Problem):
    """The `Host` header names a host that this service does not serve.

    Use the service's public name. Its operator lists the names in `ALLOWED_HOSTS`.
    """

    status, slug, title, detail = (
        421,
        "misdirected",
        "Misdirected request",
        "This service does not answer for that host",
    )


class Invalid(Problem):
    """The query, the id or the body is invalid. Nothing was changed.

    `detail` has the first fault, ready to show to a person. `errors` lists all with their
    locations: `pointer` (RFC 6901) leads into the body, `parameter` names a parameter of the path
    or the query, `detail` is the broken rule, `code` is for programs.
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
    """Return the first fault in one line, for front ends to show."""
    fault = errors[0]
    location = fault.get("parameter") or fault.get("pointer", "").lstrip("/") or "body"
    detail = fault["detail"]
    return f"{location.replace('~1', '/').replace('~0', '~')}: {detail[0].lower()}{detail[1:]}"


class TooManyRequests(Problem):
    """Too many requests in a period, or at once. Try again after the seconds in `Retry-After`.

    Nothing was changed. The `RateLimit` and `RateLimit-Policy` headers of every response have what
    is left.
    """

    status, slug, title, detail = 429, "too-many-requests", "Too many requests", "Too many requests"
    sends = ("RateLimit", "RateLimit-Policy", "Retry-After")

    def __init__(self, detail: str = "", *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class HeadTooLarge(Problem):
    """The headers are too many or too large.

    Send fewer or shorter ones: the service ignores cookies, for instance.
    """

    status, slug, title, detail = (
        431,
        "head-too-large",
        "Request header fields too large",
        "The headers are too large",
    )


class Conflict(Problem):
    """The change conflicts with the stored state. Nothing was changed.

    Read the current state and decide again.
    """

    status, slug, title, detail = (
        409,
        "conflict",
        "Conflict",
        "The change conflicts with the stored state",
    )


class InProgress(Problem):
    """Another request with this `Idempotency-Key` is in progress.

    Send the same request again after the seconds in `Retry-After`: it gets the first one's
    response.
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
    """The token is too old: deletions since then have been purged.

    Start again without `since`, read all pages, then delete local tasks that were not among them.
    """

    status, slug, title, detail = (
        410,
        "expired",
        "Gone",
        "The token is too old: start again without it",
    )


class PreconditionFailed(Problem):
    """The task's state does not match `If-Match` or `If-None-Match`. Nothing was changed.

    `ETag` is the task's current one, if it exists. Read the task, decide again, and send that tag
    in `If-Match`.
    """

    status, slug, title, detail = (
        412,
        "precondition-failed",
        "Precondition failed",
        "The task does not match If-Match or If-None-Match",
    )
    sends = ("ETag",)

    def __init__(self, tag: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers={**({"ETag": tag} if tag else {}), **(headers or {})})


class KeyReused(Problem):
    """This `Idempotency-Key` was used for another request, with a different method, path or body.
    Nothing was changed.

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
    """A bug in the service. Your request may be correct.

    Report the request's id, which is `instance` here: the service's log has the details under it.
    """

    status, slug, title, detail = 500, "internal-error", "Internal error", "Internal error"


class Unavailable(Problem):
    """The service cannot answer at the moment. Nothing was changed.

    Send the same request again after the seconds in `Retry-After`.
    """

    status, slug, title, detail = 503, "unavailable", "Service unavailable", "Service unavailable"
    sends = ("Retry-After",)

    def __init__(self, detail: str = "", *, members: Mapping[str, object] | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": RETRY_AFTER}, members=members)


class OutcomeUnknown(Unavailable):
    """The connection to the database was lost before its reply: the change is made completely, now
    or a moment later, or not at all.

    A read at once can still show the old state. To find out, send the request again after the
    seconds in `Retry-After`. With the same `Idempotency-Key` it is carried out once, and you get
    its response. Without a key: you may repeat a `PUT`, and 412 may mean that the first one was
    carried out; a repeated `DELETE` that is 404 means that the task is gone; before you repeat a
    `POST` or `PATCH`, read the task.
    """

    slug, title, detail = (
        "outcome-unknown",
        "Outcome unknown",
        "It is not known whether the change was made",
    )


class TooSlow(Problem):
    """The database took too long for a statement. Nothing was changed.

    Try again later, or request less at a time.
    """

    status, slug, title, detail = 504, "too-slow", "Gateway timeout", "The database took too long"
