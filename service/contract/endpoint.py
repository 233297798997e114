"""Route a request to the handler of its path and method."""

import re
from collections.abc import Awaitable, Callable, Iterable
from inspect import cleandoc
from typing import NamedTuple
from urllib.parse import unquote

from starlette.responses import Response
from starlette.routing import Route

from ..web.exchange import Exchange
from ..web.problem_types import MethodNotAllowed, NotFound
from .operation import Handler, Operation, operation_of

_BY_CALLER = (b"vary", b"Authorization, Origin")

# Unreserved characters mean the same percent-encoded (RFC 3986, section 2.3).
_UNRESERVED = re.compile(r"%(?:2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)", re.IGNORECASE)


class Described(NamedTuple):
    """An operation with its method and path, for the contract."""

    path: str
    method: str
    name: str
    operation: Operation
    text: str
    """The handler's docstring."""


class Endpoint(Route):
    """A path with a handler for each method. HEAD is GET without the body; OPTIONS lists the
    methods.
    """

    def __init__(self, path: str, **handlers: Handler) -> None:
        """Raises LookupError for a handler without an Operation."""
        super().__init__(path, self.answer, methods=[*handlers, "OPTIONS"], name=path)
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

    def answer(self, request: Exchange) -> Awaitable[Response]:
        """Let the method's handler answer. Raises NotAcceptable, and MethodNotAllowed without a
        handler.
        """
        known = self._known.get(request.scope["method"])
        if known is not None:
            operation, handler = known
            if b"accept" in request.first_lines:
                operation.check_acceptable(request)
            if operation.auth is not None:
                request.answer_headers.append(_BY_CALLER)
            return handler(request)
        if request.scope["method"] == "OPTIONS":
            return self._list_methods()
        raise MethodNotAllowed(headers={"Allow": self._options["Allow"]})

    async def _list_methods(self) -> Response:
        return Response(status_code=204, headers=self._options)


class Routes:
    """The endpoints of an application."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """Of several endpoints that match a path, those without parameters go first, then the
        given order counts.
        """
        self._whole: dict[str, Endpoint] = {}
        self._patterns: list[tuple[Callable[[str], re.Match[str] | None], Endpoint]] = []
        for endpoint in endpoints:
            if endpoint.param_convertors:
                self._patterns.append((endpoint.path_regex.fullmatch, endpoint))
            else:
                self._whole[endpoint.path] = endpoint

    def answer(self, request: Exchange) -> Awaitable[Response]:
        """Let the request's endpoint answer. Raises NotFound without one.

        The path is matched before its parameters are decoded: `%2F` is a part of a user id, not the
        end of it. All parameters are strings.
        """
        scope = request.scope
        raw: bytes = scope["raw_path"]
        escaped = raw.find(b"%") >= 0
        path = _UNRESERVED.sub(_decoded, raw.decode("latin-1")) if escaped else scope["path"]
        endpoint = self._whole.get(path)
        parameters: dict[str, str] = {}
        if endpoint is None:
            for match, each in self._patterns:
                if (found := match(path)) is not None:
                    endpoint, parameters = each, found.groupdict()
                    break
            else:
                raise NotFound
        if escaped:
            # Invalid UTF-8 must not equal any valid text.
            parameters = {
                name: unquote(text, errors="surrogateescape") for name, text in parameters.items()
            }
        scope["endpoint"], scope["path_params"] = endpoint, parameters
        scope["route"] = endpoint.path
        return endpoint.answer(request)


def _decoded(escaped: re.Match[str]) -> str:
    return unquote(escaped[0])
