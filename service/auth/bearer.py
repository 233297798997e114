"""Authenticate each request once, by its Authorization header (RFC 6750)."""

from ..owner import Identity, OwnerId
from ..web.exchange import Exchange
from ..web.problem_types import BadRequest, NotAuthenticated, NotFound, Unavailable
from .key_set import KeysUnavailable
from .refusals import TokenError, TokenExpired
from .tokens import Verifier

EXPIRED = "Token has expired"
INVALID = "Invalid credentials"


class Authenticate:
    """Verifies a request's token once, before any other layer needs the caller.

    It refuses no request, as not all paths need a token: `identity_of` raises the problem.
    """

    def __init__(self, verifier: Verifier) -> None:
        self.verifier = verifier

    def token_of(self, exchange: Exchange) -> bytes | None:
        """Return the token to verify; None if the request's identity, or lack of one, is known."""
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
        """Verify the token and note the result; this may wait for the issuer's keys."""
        try:
            exchange.identity = await self.verifier.identity(token)
            exchange.worth = "valid"
        except TokenError as error:
            _refuse(exchange, error)
        except KeysUnavailable:
            exchange.worth = "unknown"
            exchange.refused = Unavailable("The token cannot be checked at the moment")


def identity_of(request: Exchange) -> Identity:
    """Return the identity of the request's token.

    Raises NotAuthenticated for a missing or invalid token, BadRequest for two of them, Unavailable
    without keys to verify it.
    """
    if request.identity is not None:
        return request.identity
    assert request.refused is not None
    raise request.refused


def owner_of(request: Exchange) -> OwnerId:
    """Return the caller, who must be the path's user. Raises NotFound if not: 403 would reveal that
    the user exists.
    """
    owner = (request.identity or identity_of(request)).owner
    if request.scope["path_params"]["user_id"] != owner:
        raise NotFound
    return owner


def caller_of(exchange: Exchange) -> OwnerId | None:
    """Return the caller, if known."""
    return None if exchange.identity is None else exchange.identity.owner


def _refuse(exchange: Exchange, error: TokenError) -> None:
    detail, exchange.worth = (
        (EXPIRED, "expired") if isinstance(error, TokenExpired) else (INVALID, "invalid")
    )
    exchange.token_fault = error.reason
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    exchange.refused = NotAuthenticated(detail, headers={"WWW-Authenticate": challenge})
