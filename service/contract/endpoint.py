"""A path as the router knows it."""

import re
from inspect import cleandoc
from typing import NamedTuple
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from ..web.problem_types import MethodNotAllowed
from .operation import Handler, Operation, operation_of

_BY_CALLER = (b"vary", b"Authorization, Origin")

# What means the same percent-encoded or not (RFC 3986, section 2.3): letters, digits, `-._~`.
_UNRESERVED = re.compile(r"%(?:2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)", re.IGNORECASE)


class Described(NamedTuple):
    """An operation where it is: all that the contract says of it."""

    path: str
    method: str
    name: str
    operation: Operation
    text: str
    """The handler's docstring."""


class Endpoint(Route):
    """A path and the handler of each of its methods. HEAD is GET without the body; OPTIONS tells
    what there is.
    """

    def __init__(self, path: str, **handlers: Handler) -> None:
        """Raises LookupError for a handler that has no Operation above it."""
        super().__init__(path, self, methods=[*handlers, "OPTIONS"], name=path)
        self.operations = [
            Described(
                path,
                method,
                handler.__name__,
                operation_of(handler),
                cleandoc(handler.__doc__ or ""),
            )
            for method, handler in handlers.items()
        ]
        self._known = {
            method: (operation_of(handler), handler) for method, handler in handlers.items()
        }
        if "GET" in self._known:
            self._known["HEAD"] = self._known["GET"]
        self._options = {"Allow": ", ".join(sorted(self.methods or ()))}
        if "PATCH" in self._known and (patch := self._known["PATCH"][0].body) is not None:
            self._options["Accept-Patch"] = ", ".join(patch.media_types)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether the path is this one, and what its parameters are: texts, all of them.

        The path is matched as it came, and decoded after: `%2F` is a part of a user id, not the end
        of it.
        """
        if scope["type"] != "http":
            return Match.NONE, {}
        raw: bytes = scope["raw_path"]
        escaped = b"%" in raw
        path = _UNRESERVED.sub(_decoded, raw.decode("latin-1")) if escaped else scope["path"]
        found = self.path_regex.fullmatch(path)
        if found is None:
            return Match.NONE, {}
        parameters = found.groupdict()
        if escaped:
            # What is not UTF-8 stays different from every text that is.
            parameters = {
                name: unquote(text, errors="surrogateescape") for name, text in parameters.items()
            }
        return Match.FULL, {"endpoint": self, "path_params": parameters}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises the problems of its handler, and MethodNotAllowed where there
        is none.
        """
        known = self._known.get(scope["method"])
        if known is not None:
            operation, handler = known
            request = Request(scope, receive)
            operation.check_acceptable(request)
            response = await handler(request)
            if operation.auth is not None:
                response.raw_headers.append(_BY_CALLER)
        elif scope["method"] == "OPTIONS":
            response = Response(status_code=204, headers=self._options)
        else:
            raise MethodNotAllowed(headers={"Allow": self._options["Allow"]})
        await response(scope, receive, send)


def _decoded(escaped: re.Match[str]) -> str:
    return unquote(escaped[0])
