"""The Authorization header (RFC 6750): who calls, found out once a request."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ..owner import OwnerId
from ..web.problem import Problem
from ..web.problem_types import BadRequest, NotAuthenticated, NotFound, Unavailable
from .key_set import KeysAway
from .refusals import TokenError, TokenExpired
from .tokens import Identity, Verifier

_CALLER = "service.caller"
_REASON = "service.refusal"

EXPIRED = "Token has expired"
INVALID = "Invalid credentials"


class Authenticate:
    """Verify the token of each request, once, before anything else asks who calls.

    A layer of its own because it may have to wait for the issuer's keys. It refuses nobody: paths
    that need no token are not its business. What is wrong is raised where somebody asks for the
    identity.
    """

    def __init__(self, app: ASGIApp, verifier: Verifier) -> None:
        self.app = app
        self.verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            scope[_CALLER] = await self._outcome(scope)
        await self.app(scope, receive, send)

    async def _outcome(self, scope: Scope) -> Identity | Problem:
        headers = []
        for name, value in scope["headers"]:  # a loop: a comprehension is a call more
            if name == b"authorization":
                headers.append(value)
        if len(headers) > 1:
            return BadRequest("More than one Authorization header")
        scheme, _, token = headers[0].partition(b" ") if headers else (b"", b"", b"")
        token = token.strip(b" ")
        if scheme.lower() != b"bearer" or not token:
            return NotAuthenticated(headers={"WWW-Authenticate": "Bearer"})
        try:
            return await self.verifier.identity(token)
        except TokenError as error:
            scope[_REASON] = error.reason
            return _invalid(EXPIRED if isinstance(error, TokenExpired) else INVALID)
        except KeysAway:
            return Unavailable("The token cannot be checked at the moment")


def identity_of(request: Request) -> Identity:
    """Whom the request's token speaks for.

    Raises NotAuthenticated without one or with one that is not valid, BadRequest when there are
    two, Unavailable when there are no keys to check it with.
    """
    outcome: Identity | Problem = request.scope[_CALLER]
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


def owner_of(request: Request) -> OwnerId:
    """The caller, who must be the path's user. Raises NotFound when not: 403 would tell that the
    user exists.
    """
    owner = identity_of(request).owner
    if request.path_params["user_id"] != owner:
        raise NotFound
    return owner


def caller_of(scope: Scope) -> OwnerId | None:
    """Who calls, where that is known."""
    outcome = scope.get(_CALLER)
    return outcome.owner if isinstance(outcome, Identity) else None


def worth_of(scope: Scope) -> tuple[str, str]:
    """What the request's token was worth, in a word, and the Reason why it was refused; empty where
    there is none, or nobody has looked.
    """
    return _outcome_of(scope.get(_CALLER)), scope.get(_REASON, "")


def _outcome_of(caller: Identity | Problem | None) -> str:
    match caller:
        case None:
            return ""
        case Identity():
            return "valid"
        case NotAuthenticated():
            return {EXPIRED: "expired", INVALID: "invalid"}.get(str(caller), "none")
        case BadRequest():
            return "repeated"
        case _:
            return "unknown"  # there were no keys to tell


def _invalid(detail: str) -> NotAuthenticated:
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    return NotAuthenticated(detail, headers={"WWW-Authenticate": challenge})
