"""Verify bearer tokens: signed JWTs (RFC 7519), by the rules of RFC 8725.

PyJWT checks the signature. Form (jws.py), header and claims are checked here: PyJWT accepts an
empty or unprintable subject, numbers as strings, duplicate members and `=` padding. No key comes
from the token: `jku`, `jwk`, `x5u` and `x5c` are ignored.
"""

import re
import time
from collections.abc import Callable
from typing import Any

import jwt
from jwt.algorithms import OKPAlgorithm

from ..owner import Identity, OwnerId
from ..settings import TokenSettings
from .jwk import Key
from .jws import header_of, object_in
from .key_set import Keys
from .refusals import TokenError, TokenExpired

MAX_TOKEN_BYTES = 8 * 1024
LATEST = 253402300799
"""The end of year 9999, in seconds since the epoch; a later time is a mistake."""
LEEWAY = 10.0
"""Seconds by which the issuer's clock may differ from ours."""
CACHE_SIZE = 4096

# Other kinds of tokens, which an issuer may sign with the same key, have another `typ` (RFC 8725,
# section 3.11).
_TYPES = ("jwt", "at+jwt", "application/at+jwt")

# Or in a claim, where no standard has it: `typ` (Keycloak, Rauthy, Guardian), `type`
# (Flask-JWT-Extended), `token_type` (Simple JWT), `tokenType` (Casdoor), `token_use` (Cognito).
# Other issuers put other values there, so only known values of other tokens are refused.
_USES = ("typ", "type", "token_type", "tokenType", "token_use")
_OTHER_USE = re.compile(r"(?:refresh|offline|id|logout)(?:[-_ ]?token)?", re.IGNORECASE)


class Verifier:
    """Verifies tokens, and caches the identities.

    A token is cached until it expires or its key is removed: a lookup costs a thousandth of a
    verification. At most CACHE_SIZE are kept, first in, first out.
    """

    def __init__(
        self, settings: TokenSettings, keys: Keys, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._issuer = settings.jwt_issuer
        self._audiences = frozenset(settings.jwt_audience)
        self._clock = clock
        self._signatures = jwt.PyJWS(algorithms=["HS256", "EdDSA", "ES256", "RS256"])
        self._signatures.register_algorithm("Ed25519", OKPAlgorithm())
        self._verified: dict[bytes, tuple[Identity, object, Key]] = {}

    async def identity(self, token: bytes) -> Identity:
        """Return the token's identity.

        Raises TokenExpired, TokenError for any other fault, KeysUnavailable without usable keys.
        """
        return self.remembered(token) or await self._learnt(token)

    def remembered(self, token: bytes) -> Identity | None:
        """Return a cached token's identity, or None. Raises TokenExpired."""
        if (known := self._verified.get(token)) is None:
            return None
        identity, kid, key = known
        expired = self._clock() >= identity.expires
        if not expired and self._keys.known(kid) is key:
            return identity
        del self._verified[token]
        if expired:
            raise TokenExpired
        return None

    async def _learnt(self, token: bytes) -> Identity:
        verified = await self._verify(token)
        if len(self._verified) >= CACHE_SIZE:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = verified
        return verified[0]

    async def _verify(self, token: bytes) -> tuple[Identity, object, Key]:
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenError("form")
        algorithm, kid = _check_header(object_in(header_of(token)))
        if algorithm not in self._keys.algorithms:
            raise TokenError("algorithm")
        key = await self._keys.find(kid)
        if key is None:
            raise TokenError("no-kid" if kid is None else "unknown-kid")
        if algorithm not in key.algorithms:
            raise TokenError("algorithm")
        try:
            payload = self._signatures.decode(token, key.material, algorithms=[algorithm])
        except jwt.PyJWTError:
            raise TokenError("signature") from None
        return self._identity(object_in(payload)), kid, key

    def _identity(self, claims: dict[str, Any]) -> Identity:
        now = self._clock()
        if "exp" not in claims:
            raise TokenError("no-expiry")
        expires = _time(claims, "exp") + LEEWAY
        if any(_time(claims, name) > now + LEEWAY for name in ("nbf", "iat") if name in claims):
            raise TokenError("not-yet")
        if self._issuer is not None and claims.get("iss") != self._issuer:
            raise TokenError("issuer")
        self._check_audience(claims)
        _check_use(claims)
        identity = Identity(OwnerId(_subject(claims)), _email(claims), expires)
        # Last, so that "expired" means that all else was valid.
        if expires <= now:
            raise TokenExpired
        return identity

    def _check_audience(self, claims: dict[str, Any]) -> None:
        # RFC 7519, section 4.1.3: a service refuses a token whose audiences do not include it.
        if not self._audiences:
            if "aud" in claims:
                raise TokenError("audience-not-configured")
            return
        if "aud" not in claims:
            raise TokenError("no-audience")
        audience = claims["aud"]
        listed = audience if isinstance(audience, list) else [audience]
        if not all(isinstance(name, str) for name in listed):
            raise TokenError("claims")
        if self._audiences.isdisjoint(listed):
            raise TokenError("audience")


def _check_header(header: dict[str, Any]) -> tuple[str, object]:
    """Return the header's `alg` and `kid`. Raises TokenError."""
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str):
        raise TokenError("algorithm")
    # No extension is supported, so a critical one is refused (RFC 7515, section 4.1.11), and b64
    # (RFC 7797) too.
    if "crit" in header or "b64" in header:
        raise TokenError("critical")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenError("typ")
    return algorithm, header.get("kid")


def _check_use(claims: dict[str, Any]) -> None:
    """Refuse refresh and ID tokens that issuers mark: with a shared secret nothing else
    distinguishes them from access tokens.
    """
    for name in _USES:
        use = claims.get(name)
        if isinstance(use, str) and _OTHER_USE.fullmatch(use):
            raise TokenError("token-use")


def _time(claims: dict[str, Any], name: str) -> float:
    """Return a NumericDate (RFC 7519, section 2), in seconds. Raises TokenError."""
    value = claims.get(name)
    # Not isinstance(): True is an int to Python.
    if (type(value) is int or type(value) is float) and abs(value) <= LATEST:
        return float(value)
    raise TokenError("claims")


def _subject(claims: dict[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255 or subject != subject.strip():
        raise TokenError("subject")
    # Control characters would reach logs, and unpaired surrogates cannot be stored.
    if any(
        character < " " or "\x7f" <= character < "\xa0" or "\ud800" <= character < "\ue000"
        for character in subject
    ):
        raise TokenError("subject")
    return subject


def _email(claims: dict[str, Any]) -> str | None:
    email = claims.get("email")
    if email is not None and not isinstance(email, str):
        raise TokenError("claims")
    if email is not None and any("\ud800" <= character < "\ue000" for character in email):
        raise TokenError("claims")
    return email


def sign(secret: str, subject: str, *, ttl: float, email: str | None = None, **claims: Any) -> str:
    """Return a signed token for development and tests, valid for `ttl` seconds from now."""
    now = int(time.time())
    content: dict[str, Any] = {"sub": subject, "iat": now, "exp": now + int(ttl)}
    if email is not None:
        content["email"] = email
    return jwt.encode({**content, **claims}, secret, algorithm="HS256")


def issue(settings: TokenSettings, subject: str, *, ttl: float, email: str | None = None) -> str:
    """Return a token for development with these settings' secret, issuer and first audience.
    Raises ValueError without a secret: then only the issuer can sign.
    """
    if settings.secret is None:
        raise ValueError("no secret")
    claims = {
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience[0] if settings.jwt_audience else None,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    return sign(settings.secret, subject, ttl=ttl, email=email, **given)
