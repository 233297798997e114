"""The pages behind the `type` of every problem."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..web.problems import NotFound, kinds


async def get_problem(request: Request) -> Response:
    """What a problem means and what to do, as text."""
    kind = kinds().get(request.path_params["slug"])
    if kind is None:
        raise NotFound
    return PlainTextResponse(f"{kind.title} ({kind.status})\n\n{kind.explanation()}\n")
