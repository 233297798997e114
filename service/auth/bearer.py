"""The Authorization header (RFC 6750): who calls, found out once a request."""

from ..owner import Identity, OwnerId
from ..web.exchange import Exchange
from ..web.problem_types import BadRequest, NotAuthenticated, NotFound, Unavailable
from .key_set import KeysAway
from .refusals import TokenError, TokenExpired
from .tokens import Verifier

EXPIRED = "Token has expired"
INVALID = "Invalid credentials"


class Authenticate:
    """Find out whom a request's token speaks for, once, before anything else asks who calls.

    It refuses nobody: paths that need no token are not its business. What is wrong is raised where
    somebody asks for the identity.
    """

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier

    def token_of(self, exchange: Exchange) -> bytes | None:
        """Return the token that is still to be verified; None when all is known of the request."""
        scheme, _, token = exchange.first_lines.get(b"authorization", b"").partition(b" ")
        token = token.strip(b" ")
        if exchange.repeated and len(exchange.lines(b"authorization")) > 1:
            exchange.worth = "repeated"
            exchange.refused = BadRequest("More than one Authorization header")
            return None
        if scheme.lower() != b"bearer" or not token:
            exchange.worth = "none"
            exchange.refused = NotAuthenticated(headers={"WWW-Authenticate": "Bearer"})
            return None
        try:
            exchange.identity = self.verifier.remembered(token)
        except TokenExpired as error:
            _refuse(exchange, error)
            return None
        if exchange.identity is None:
            return token
        exchange.worth = "valid"
        return None

    async def verify(self, exchange: Exchange, token: bytes) -> None:
        """Verify the token, which may have to wait for the issuer's keys."""
        try:
            exchange.identity = await self.verifier.identity(token)
            exchange.worth = "valid"
        except TokenError as error:
            _refuse(exchange, error)
        except KeysAway:
            exchange.worth = "unknown"
            exchange.refused = Unavailable("The token cannot be checked at the moment")


def identity_of(request: Exchange) -> Identity:
    """Whom the request's token speaks for.

    Raises NotAuthenticated without one or with one that is not valid, BadRequest when there are
    two, Unavailable when there are no keys to check it with.
    """
    if request.identity is not None:
        return request.identity
    assert request.refused is not None
    raise request.refused


def owner_of(request: Exchange) -> OwnerId:
    """The caller, who must be the path's user. Raises NotFound when not: 403 would tell that the
    user exists.
    """
    owner = (request.identity or identity_of(request)).owner
    if request.scope["path_params"]["user_id"] != owner:
        raise NotFound
    return owner


def caller_of(exchange: Exchange) -> OwnerId | None:
    """Who calls, where that is known."""
    return None if exchange.identity is None else exchange.identity.owner


def _refuse(exchange: Exchange, error: TokenError) -> None:
    detail, exchange.worth = (
        (EXPIRED, "expired") if isinstance(error, TokenExpired) else (INVALID, "invalid")
    )
    exchange.token_fault = error.reason
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    exchange.refused = NotAuthenticated(detail, headers={"WWW-Authenticate": challenge})
