"""The decorator `Operation`: a handler's requests and responses, declared above it.

The routes refuse a handler without one. The OpenAPI document, content negotiation and CORS read it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from ..web.exchange import Exchange
from ..web.input import JSON, Body, Query
from ..web.negotiation import best
from ..web.problem import Problem
from ..web.problem_types import (
    BadRequest,
    InProgress,
    InternalError,
    Invalid,
    KeyReused,
    NotAcceptable,
    NotAuthenticated,
    NotFound,
    OutcomeUnknown,
    PreconditionFailed,
    TargetTooLong,
    TooLarge,
    TooManyRequests,
    Unavailable,
    UnsupportedMediaType,
)

Handler = Callable[[Exchange], Awaitable[Response]]
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Header:
    """A header of a request or a response."""

    description: str
    schema: Schema
    required: bool = True


_TEXT: Schema = {"type": "string"}
_TAGS = r'^(\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$'

ANSWER_HEADERS: Mapping[str, Header] = {
    "Accept": Header("The media types that a body may have here.", _TEXT),
    "Accept-Encoding": Header("The encodings that a body may have here.", _TEXT),
    "Accept-Patch": Header(
        "On PATCH: the media types that a patch may have here (RFC 5789).", _TEXT, required=False
    ),
    "Allow": Header("The methods that this path knows.", _TEXT),
    "ETag": Header(
        "The version of what was answered, for `If-Match` and `If-None-Match`; on 412 that of the"
        " task, if there is one.",
        {"type": "string", "examples": ['"7"']},
        required=False,
    ),
    "Idempotency-Replayed": Header(
        "Present if this is the first request's response, repeated.",
        {"type": "string", "enum": ["true"]},
        required=False,
    ),
    "Link": Header(
        "Other pages of this list (RFC 8288): `next` if there are more tasks, and `first`.",
        {"type": "string", "examples": ['</api/v1/users/alice/tasks?limit=50>; rel="first"']},
    ),
    "Location": Header("Where the new resource is.", {"type": "string", "format": "uri-reference"}),
    "RateLimit": Header(
        "What is left of the rate limits, if there are any.",
        _TEXT,
        required=False,
    ),
    "RateLimit-Policy": Header("Those limits.", _TEXT, required=False),
    "Retry-After": Header("Seconds after which to try again.", {"type": "integer", "minimum": 1}),
    "Traceresponse": Header(
        "The request's trace, if tracing is on (W3C Trace Context 2).",
        _TEXT,
        required=False,
    ),
    "WWW-Authenticate": Header("How to authenticate (RFC 6750).", _TEXT),
    "X-Request-Id": Header(
        "The request's id, as in the service's log.",
        {"type": "string", "minLength": 8, "maxLength": 64},
    ),
}
"""The response headers that clients can use. CORS exposes them all."""

REQUEST_HEADERS: Mapping[str, Header] = {
    "Idempotency-Key": Header(
        "A key that the client makes for each new request and sends with its repeats, with or"
        " without quotes. The request is carried out once; for at least 24 hours each repeat gets"
        " the first response again.",
        {"type": "string", "pattern": r"^[!#-\[\]-~]{1,255}$"},
        required=False,
    ),
    "If-Match": Header(
        "Only if the task's `ETag` is one of these, or, with `*`, if the task exists (RFC 9110)."
        " Otherwise 412.",
        {"type": "string", "format": "entity-tags", "pattern": _TAGS},
        required=False,
    ),
    "If-None-Match": Header(
        "Only if the `ETag` is not one of these. Otherwise a read is 304, and a change 412; `*` on"
        " PUT: create, never replace.",
        {"type": "string", "format": "entity-tags", "pattern": _TAGS},
        required=False,
    ),
    "Last-Event-ID": Header(
        "The `id` of the last event received: the stream resumes after it. It overrides `since`.",
        {"type": "string", "format": "position", "pattern": r"^([\w-]{24,512})?$"},
        required=False,
    ),
    "X-Request-Id": Header(
        "The client's own id for the request: 8 to 64 of `A-Z a-z 0-9 . _ -`. Anything else is"
        " ignored.",
        _TEXT,
        required=False,
    ),
}
"""The request headers with an effect, besides Authorization, Accept and Content-Type."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that is no problem.

    `body` is the type that is rendered as JSON; None with `media_types` is a document without
    schema, None without them is no content. `links` name the operations that can follow, with the
    sources of their parameters. `own_headers` have another meaning here than in other responses.
    """

    description: str
    body: Any = None
    headers: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own_headers: Mapping[str, Header] = field(default_factory=dict)

    @property
    def offered(self) -> tuple[str, ...]:
        """The media types that the response can have; none without content."""
        return self.media_types or ((JSON,) if self.body is not None else ())


@dataclass(frozen=True, slots=True)
class Example:
    """A request and its response: shown in the contract, sent by a test. Path parameters have their
    own examples.
    """

    summary: str
    status: int
    answer: object = None
    body: object = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """The requests and responses of a handler, whose docstring is the operation's text.

    `auth` is the function by which the handler gets its caller; it raises for others. `path` has
    the type of each path parameter. `own_headers` have another meaning here than in other requests.
    `problems` are those that do not follow from the other fields.
    """

    tag: str
    answers: Mapping[int, Answer]
    auth: Callable[[Exchange], object] | None = None
    path: Mapping[str, Any] = field(default_factory=dict)
    query: type[Query] | None = None
    headers: tuple[str, ...] = ()
    own_headers: Mapping[str, Header] = field(default_factory=dict)
    body: type[Body] | None = None
    problems: tuple[type[Problem], ...] = ()
    examples: tuple[Example, ...] = ()
    offered: tuple[str, ...] = field(init=False)
    """The media types of all answers."""

    def __post_init__(self) -> None:
        offered = tuple(
            media_type for answer in self.answers.values() for media_type in answer.offered
        )
        object.__setattr__(self, "offered", offered)  # frozen, except here

    def __call__(self, handler: Handler) -> Handler:
        """Register the handler and return it unchanged."""
        _described[handler] = self
        return handler

    def check_acceptable(self, request: Exchange) -> None:
        """Raise NotAcceptable if the client accepts no media type of any response here.

        Authenticates first: a caller who may not see this path gets 401 or 404 instead.
        """
        offered = self.offered
        if not offered or best(tuple(request.lines(b"accept")), offered):
            return
        if self.auth is not None:
            self.auth(request)
        raise NotAcceptable(f"Accept must allow {' or '.join(offered)}")

    def possible_problems(self) -> tuple[type[Problem], ...]:
        """Return every problem that the operation can answer with."""
        found: list[type[Problem]] = [*self.problems, InternalError, Unavailable, TooManyRequests]
        if self.auth is not None:
            found += [BadRequest, NotAuthenticated]
        if self.path:
            found.append(NotFound)
        if self.query is not None:
            found.append(TargetTooLong)
        if "Idempotency-Key" in self.headers:
            found += [InProgress, KeyReused, OutcomeUnknown]
        if "If-None-Match" in self.headers:
            found.append(PreconditionFailed)
        if self.auth is not None and (self.query or self.body or len(self.path) > 1):
            found.append(Invalid)
        if self.body is not None:
            found += [TooLarge, UnsupportedMediaType]
        if self.offered:
            found.append(NotAcceptable)
        return tuple(dict.fromkeys(found))


_described: dict[Handler, Operation] = {}


def operation_of(handler: Handler) -> Operation:
    """Return the handler's Operation. Raises LookupError if it has none."""
    try:
        return _described[handler]
    except KeyError:
        raise LookupError(
            f"{handler.__module__}.{handler.__qualname__} has no Operation above it"
        ) from None
