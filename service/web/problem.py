"""Problems, and their responses: problem details (RFC 9457)."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import ClassVar, NotRequired

import msgspec
from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from .exchange import exchange, prefix, request_id


class ProblemDetails(TypedDict):
    """Why a request failed (RFC 9457). `type` links to a page with the meaning and the cure; in a
    batch `pointer` (RFC 6901) leads to the operation.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    pointer: NotRequired[str]


class Problem(Exception):
    """The base class of all problems; never raised itself."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "problem"
    title: ClassVar[str] = "Problem"
    detail: ClassVar[str] = ""
    document: ClassVar[type] = ProblemDetails
    """The type of the response's body."""
    sends: ClassVar[tuple[str, ...]] = ()
    """The names of its headers."""
    example: ClassVar[Mapping[str, object]] = {}
    """Examples of its own members, beyond those of all problems."""

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
        """Return its meaning and cure."""
        return cleandoc(cls.__doc__ or "")


def kinds() -> dict[str, type[Problem]]:
    """Return all imported problems by slug."""
    found: dict[str, type[Problem]] = {}
    waiting = Problem.__subclasses__()
    while waiting:
        kind = waiting.pop()
        found[kind.slug] = kind
        waiting += kind.__subclasses__()
    return found


def details(kind: type[Problem], detail: str, instance: str) -> dict[str, object]:
    """Return the members that every problem of that kind has."""
    common: ProblemDetails = {
        "type": f"{prefix()}/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
    }
    return {**common}


def answer(problem: Problem) -> Response:
    """Return the problem as `application/problem+json`."""
    if (current := exchange()) is not None:
        current.problem = problem.slug
    document = {**details(type(problem), str(problem), request_id()), **problem.members}
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(
        msgspec.json.encode(document),
        problem.status,
        headers,
        media_type="application/problem+json",
    )
