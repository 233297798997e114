"""Verifying bearer tokens: signed JWTs (RFC 7519) with HS256.

PyJWT checks the signature. The claims are checked here, because it takes several that are no sound claims: an empty
or unprintable subject, numbers as strings, members that stand twice, `=` padding.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt

from ..settings import TokenSettings
from .owner import OwnerId

MAX_TOKEN_BYTES = 8 * 1024
LATEST = 253402300799
"""The end of year 9999, in seconds since the epoch; a later time is a mistake."""
LEEWAY = 10.0
"""Seconds by which the issuer's clock and ours may differ."""
CACHE_SIZE = 4096

# Three base64url segments without padding (RFC 7515, section 3.1).
_COMPACT = re.compile(rb"[\w-]+\.[\w-]+\.[\w-]+")


class TokenError(Exception):
    """The token is not valid; nobody is told why."""


class TokenExpired(TokenError):
    """The token was valid, until its `exp`."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a verified token speaks for. `expires`: seconds since the epoch, the leeway included."""

    owner: OwnerId
    email: str | None
    expires: float


class Verifier:
    """Tokens to identities.

    A verified token is remembered until it expires: looking it up costs a thousandth of verifying it. At most
    CACHE_SIZE are kept; the one remembered first goes first.
    """

    def __init__(self, settings: TokenSettings, clock: Callable[[], float] = time.time) -> None:
        self._key = settings.secret
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._clock = clock
        self._signatures = jwt.PyJWS(algorithms=["HS256"])
        self._verified: dict[bytes, Identity] = {}

    def identity(self, token: bytes) -> Identity:
        """Whom the token speaks for. Raises TokenExpired, or TokenError for all else that can be wrong."""
        known = self._verified.get(token)
        if known is not None:
            if self._clock() < known.expires:
                return known
            del self._verified[token]
            raise TokenExpired
        identity = self._verify(token)
        if len(self._verified) >= CACHE_SIZE:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = identity
        return identity

    def _verify(self, token: bytes) -> Identity:
        if len(token) > MAX_TOKEN_BYTES or _COMPACT.fullmatch(token) is None:
            raise TokenError
        try:
            payload = self._signatures.decode(token, self._key, algorithms=["HS256"])
        except jwt.PyJWTError:
            raise TokenError from None
        claims = _claims(payload)
        now = self._clock()
        expires = _time(claims, "exp") + LEEWAY
        if any(_time(claims, name) > now + LEEWAY for name in ("nbf", "iat") if name in claims):
            raise TokenError
        if self._issuer is not None and claims.get("iss") != self._issuer:
            raise TokenError
        self._check_audience(claims)
        identity = Identity(OwnerId(_subject(claims)), _email(claims), expires)
        # Last, so that "expired" is only ever said of a token that was right in everything else.
        if expires <= now:
            raise TokenExpired
        return identity

    def _check_audience(self, claims: dict[str, Any]) -> None:
        # RFC 7519, section 4.1.3: a token that names audiences is refused by whoever is not among them.
        if self._audience is None:
            if "aud" in claims:
                raise TokenError
            return
        audience = claims.get("aud")
        listed = audience if isinstance(audience, list) else [audience]
        if not all(isinstance(name, str) for name in listed) or self._audience not in listed:
            raise TokenError


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise TokenError from None
    if not isinstance(claims, dict):
        raise TokenError
    return claims


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _time(claims: dict[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519, section 2)."""
    value = claims.get(name)
    # Not isinstance(): True is an int to Python.
    if (type(value) is int or type(value) is float) and abs(value) <= LATEST:
        return float(value)
    raise TokenError


def _subject(claims: dict[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255 or subject != subject.strip():
        raise TokenError
    # Controls would end up in logs, unpaired surrogates cannot be stored.
    if any(character < " " or "\x7f" <= character < "\xa0" or "\ud800" <= character < "\ue000" for character in subject):
        raise TokenError
    return subject


def _email(claims: dict[str, Any]) -> str | None:
    email = claims.get("email")
    if email is not None and not isinstance(email, str):
        raise TokenError
    if email is not None and any("\ud800" <= character < "\ue000" for character in email):
        raise TokenError
    return email


def sign(secret: str, subject: str, *, ttl: float, email: str | None = None, **claims: Any) -> str:
    """A token for development and tests, valid for `ttl` seconds from now."""
    now = int(time.time())
    content: dict[str, Any] = {"sub": subject, "iat": now, "exp": now + int(ttl)}
    if email is not None:
        content["email"] = email
    return jwt.encode({**content, **claims}, secret, algorithm="HS256")
