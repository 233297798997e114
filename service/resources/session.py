"""Whom the caller's token speaks for."""

from typing import Literal, TypedDict

from starlette.requests import Request
from starlette.responses import Response

from ..auth.bearer import identity_of
from ..web.replies import reply


class Session(TypedDict):
    """What a valid token says of its bearer."""

    user_id: str
    email: str | None
    authenticated: Literal[True]


async def get_session(request: Request) -> Response:
    """The bearer of the token."""
    identity = identity_of(request)
    session: Session = {"user_id": str(identity.owner), "email": identity.email, "authenticated": True}
    return reply(session)
