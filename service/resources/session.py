"""The user of the caller's token."""

from typing import Literal

from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..auth.bearer import identity_of
from ..contract.operation import Answer, Example, Operation
from ..web.exchange import Exchange
from ..web.replies import reply


class Session(TypedDict):
    """The user in a valid token."""

    user_id: str
    email: str | None
    authenticated: Literal[True]


@Operation(
    tag="session",
    auth=identity_of,
    answers={200: Answer("The token is valid, and whose it is.", Session)},
    examples=(
        Example(
            "Alice's token",
            200,
            {"user_id": "alice", "email": "alice@example.com", "authenticated": True},
        ),
    ),
)
async def get_session(request: Exchange) -> Response:
    """Get the user of the token."""
    identity = identity_of(request)
    session: Session = {
        "user_id": str(identity.owner),
        "email": identity.email,
        "authenticated": True,
    }
    return reply(session)
