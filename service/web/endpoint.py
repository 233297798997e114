"""A path as the router knows it."""

from inspect import cleandoc
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .contract import Handler, Operation, operation_of


class Described(NamedTuple):
    """An operation where it is: all that the contract says of it."""

    path: str
    method: str
    name: str
    operation: Operation
    text: str
    """The handler's docstring."""


class Endpoint(Route):
    """A path and the handler of each of its methods. HEAD is GET without the body; OPTIONS tells what there is."""

    def __init__(self, path: str, **handlers: Handler) -> None:
        """Raises LookupError for a handler that has no Operation above it."""
        self.operations = [
            Described(path, method, handler.__name__, operation_of(handler), cleandoc(handler.__doc__ or ""))
            for method, handler in handlers.items()
        ]
        known = {method: (operation_of(handler), handler) for method, handler in handlers.items()}

        async def endpoint(request: Request) -> Response:
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=options)
            operation, handler = known["GET" if request.method == "HEAD" else request.method]
            operation.check_acceptable(request)
            response = await handler(request)
            if operation.auth is not None:
                response.headers.add_vary_header("Authorization")
            return response

        super().__init__(path, endpoint, methods=[*handlers, "OPTIONS"])
        options = {"Allow": ", ".join(sorted(self.methods or ()))}
        if "PATCH" in known and (patch := known["PATCH"][0].body) is not None:
            options["Accept-Patch"] = ", ".join(patch.media_types)
