"""A ceiling: Starlette that answers a constant, without layers or log. `SIZE` is its number of
bytes.
"""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BODY = b"x" * int(os.environ["SIZE"])


async def constant(_: Request) -> Response:
    """Answer the constant."""
    return Response(BODY, media_type="application/json")


TASKS = "/api/v1/users/{user_id}/tasks"
app = Starlette(
    routes=[
        Route(path, constant)
        for path in ("/health", "/api/v1/auth/session", TASKS, f"{TASKS}/{{task_id}}")
    ]
)
