"""Verifying bearer tokens: signed JWTs (RFC 7519), by the rules of RFC 8725.

PyJWT checks the signature. Form, header and claims are checked here, because it takes several that
are not sound: an empty or unprintable subject, numbers as strings, members that stand twice, `=`
padding. Nothing that a token says is ever fetched or used as a key: `jku`, `jwk`, `x5u` and `x5c`
are not looked at.
"""

import base64
import json
import re
import time
from collections.abc import Callable
from typing import Any

import jwt
from jwt.algorithms import OKPAlgorithm

from ..owner import Identity, OwnerId
from ..settings import TokenSettings
from .jwk import Key
from .key_set import Keys
from .refusals import TokenError, TokenExpired

MAX_TOKEN_BYTES = 8 * 1024
LATEST = 253402300799
"""The end of year 9999, in seconds since the epoch; a later time is a mistake."""
LEEWAY = 10.0
"""Seconds by which the issuer's clock and ours may differ."""
CACHE_SIZE = 4096
MAX_DEPTH = 32
"""How deep the JSON of a header or of claims may be nested."""

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKETS = re.compile(rb"[\[\]{}]")

# Three base64url segments without padding (RFC 7515, section 3.1); five are an encrypted token (RFC
# 7516, section 3.1), whose second may be empty.
_COMPACT = re.compile(rb"([\w-]+)\.([\w-]+)\.([\w-]+)")
_ENCRYPTED = re.compile(rb"[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+")

# Tokens of other kinds, which the same issuer may sign with the same key, say so (RFC 8725, section
# 3.11).
_TYPES = ("jwt", "at+jwt", "application/at+jwt")

# Or in a claim, where no standard has it: `typ` (Keycloak, Rauthy, Guardian), `type`
# (Flask-JWT-Extended), `token_type` (Simple JWT), `tokenType` (Casdoor), `token_use` (Cognito). Of
# those claims others say other things, so that only what is no access token is refused.
_USES = ("typ", "type", "token_type", "tokenType", "token_use")
_OTHER_USE = re.compile(r"(?:refresh|offline|id|logout)(?:[-_ ]?token)?", re.IGNORECASE)


class Verifier:
    """Tokens to identities.

    A verified token is remembered until it expires or its key is gone: looking it up costs a
    thousandth of verifying it. At most CACHE_SIZE are kept; the one remembered first goes first.
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
        """Whom the token speaks for.

        Raises TokenExpired, TokenError for all else that can be wrong, and KeysAway when there are
        no keys to tell.
        """
        return self.remembered(token) or await self._learnt(token)

    def remembered(self, token: bytes) -> Identity | None:
        """Whom the token speaks for, where that was found out before. Raises TokenExpired."""
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
        segments = _COMPACT.fullmatch(token)
        if segments is None:
            raise TokenError("encrypted" if _ENCRYPTED.fullmatch(token) else "form")
        header, _, _ = [_decoded(segment) for segment in segments.groups()]
        algorithm, kid = _check_header(_object(header))
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
        return self._identity(_object(payload)), kid, key

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
        # Last, so that "expired" is only ever said of a token that was right in everything else.
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


def _decoded(segment: bytes) -> bytes:
    """A base64url segment in its one spelling: a decoder that drops stray bits lets many tokens be
    the same one.
    """
    padded = segment + b"=" * (-len(segment) % 4)
    try:
        content = base64.urlsafe_b64decode(padded)
    except ValueError:
        raise TokenError("form") from None
    if base64.urlsafe_b64encode(content) != padded:
        raise TokenError("form")
    return content


def _check_header(header: dict[str, Any]) -> tuple[str, object]:
    """The algorithm that the token claims, and the key it names."""
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str):
        raise TokenError("algorithm")
    # No extension is known here, so none can be critical (RFC 7515, section 4.1.11), b64 (RFC 7797)
    # least of all.
    if "crit" in header or "b64" in header:
        raise TokenError("critical")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenError("typ")
    return algorithm, header.get("kid")


def _check_use(claims: dict[str, Any]) -> None:
    """Refuse refresh and ID tokens, as far as issuers mark them: with a shared secret nothing else
    tells them from access tokens.
    """
    for name in _USES:
        use = claims.get(name)
        if isinstance(use, str) and _OTHER_USE.fullmatch(use):
            raise TokenError("token-use")


def _object(content: bytes) -> dict[str, Any]:
    """A JSON object (RFC 8259), in which no member stands twice."""
    if _too_deep(content):
        raise TokenError("form")
    try:
        members = json.loads(
            content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse
        )
    except (ValueError, RecursionError):
        raise TokenError("form") from None
    if not isinstance(members, dict):
        raise TokenError("form")
    return members


def _too_deep(content: bytes) -> bool:
    """Whether JSON is nested deeper than MAX_DEPTH: how deep a parser goes differs by version."""
    if content.count(b"[") + content.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", content)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
    return False


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
    raise TokenError("claims")


def _subject(claims: dict[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255 or subject != subject.strip():
        raise TokenError("subject")
    # Controls would end up in logs, unpaired surrogates cannot be stored.
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
    """A token for development and tests, valid for `ttl` seconds from now."""
    now = int(time.time())
    content: dict[str, Any] = {"sub": subject, "iat": now, "exp": now + int(ttl)}
    if email is not None:
        content["email"] = email
    return jwt.encode({**content, **claims}, secret, algorithm="HS256")


def issue(settings: TokenSettings, subject: str, *, ttl: float, email: str | None = None) -> str:
    """A token for development that these settings take: with their issuer and an audience of
    theirs. Raises ValueError where they have no secret: only the issuer can sign then.
    """
    if settings.secret is None:
        raise ValueError("no secret")
    claims = {
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience[0] if settings.jwt_audience else None,
    }
    given = {name: value for name, value in claims.items() if value is not None}
    return sign(settings.secret, subject, ttl=ttl, email=email, **given)
