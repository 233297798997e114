"""The Authorization header (RFC 6750) of a request."""

from starlette.requests import Request

from ..web.problems import BadRequest, NotAuthenticated, NotFound
from .owner import OwnerId
from .tokens import Identity, TokenError, TokenExpired, Verifier


def identity_of(request: Request) -> Identity:
    """Whom the request's token speaks for.

    Raises NotAuthenticated without one or with one that is not valid, BadRequest when there are two.
    """
    headers = [value for name, value in request.scope["headers"] if name == b"authorization"]
    if len(headers) > 1:
        raise BadRequest("More than one Authorization header")
    scheme, _, token = headers[0].partition(b" ") if headers else (b"", b"", b"")
    token = token.strip(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise NotAuthenticated(headers={"WWW-Authenticate": "Bearer"})
    verifier: Verifier = request.app.state.verifier
    try:
        return verifier.identity(token)
    except TokenExpired:
        raise _invalid("Token has expired") from None
    except TokenError:
        raise _invalid("Invalid credentials") from None


def owner_of(request: Request) -> OwnerId:
    """The caller, who must be the path's user. Raises NotFound when not: 403 would tell that the user exists."""
    owner = identity_of(request).owner
    if request.path_params["user_id"] != owner:
        raise NotFound
    return owner


def _invalid(detail: str) -> NotAuthenticated:
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    return NotAuthenticated(detail, headers={"WWW-Authenticate": challenge})
