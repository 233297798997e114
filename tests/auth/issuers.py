"""Tokens as real issuers make them, beside settings as people write them; and the page that shows
what the service says of each pair: `make settings`.

The shapes (headers, claims, algorithms) are those of the issuers' documentation; the keys are made
here.
"""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from service.auth.jwk import Key, keys_in
from service.auth.key_set import Keys, KeySet, SharedSecret
from service.auth.refusals import TokenError
from service.auth.tokens import Verifier
from service.settings import TokenSettings

PAGE = Path(__file__).parents[2] / "service" / "auth" / "ISSUERS.md"
HEAD = """\
# Tokens of real issuers

Which tokens are accepted, by issuer and settings. Each line is a token of that
issuer's shape, signed anew and verified: `taken`, or the reason why it is refused.
[What to do about each reason](README.md#when-a-token-is-refused). Made by `make settings`; a test
keeps it true.

| token | settings | outcome |
|---|---|---|
"""

ED, EC = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
P521, RSA = ec.generate_private_key(ec.SECP521R1()), rsa.generate_private_key(65537, 2048)
SECRET = "an HMAC secret that is long enough for HS256, and for HS512, too"
SUBJECT = "4Xk2vQ7mZ1pR9sT3uW5yA8bC0dE6fG2h"

APP, API = "https://app.example", "https://api.example"
KEYCLOAK, AUTH0 = "https://sso.example/realms/main", "https://tenant.eu.auth0.com/"
COGNITO = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
ENTRA = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"


class Pair(NamedTuple):
    """A token and the settings it meets. No settings but `secret`: JWKS_URL."""

    token: str
    settings: dict[str, str]
    outcome: str
    make: Callable[[], str]


def _signed(algorithm: str, claims: dict[str, Any], **header: Any) -> str:
    """A token of ours; a claim or a `typ` that is None is left out."""
    now = int(time.time())
    keys = {"EdDSA": ED, "ES256": EC, "ES512": P521}
    key = SECRET if algorithm.startswith("HS") else keys.get(algorithm, RSA)
    kid = {} if algorithm.startswith("HS") else {"kid": algorithm}
    content = {"sub": SUBJECT, "iat": now, "exp": now + 900, **claims}
    return jwt.encode(
        {name: value for name, value in content.items() if value is not None},
        key,  # type: ignore[arg-type]
        algorithm,
        {name: value for name, value in {**kid, **header}.items() if value is not None},
    )


def _encrypted() -> str:
    header = {"alg": "dir", "enc": "A256CBC-HS512"}
    parts = [json.dumps(header).encode(), b"", b"i" * 16, b"c" * 96, b"t" * 32]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def _as(
    algorithm: str, /, header: dict[str, Any] | None = None, **claims: Any
) -> Callable[[], str]:
    return lambda: _signed(algorithm, claims, **(header or {}))


def _key_set(issuer: str = "", audience: str = "") -> dict[str, str]:
    given = {"jwt_issuer": issuer, "jwt_audience": audience}
    return {name: value for name, value in given.items() if value}


def _secret(issuer: str = "", audience: str = "") -> dict[str, str]:
    return {"jwt_secret": SECRET, **_key_set(issuer, audience)}


BETTER_AUTH = _as("EdDSA", iss=APP, aud=APP, email="a@app.example", name="Alice")
AUTH0_API = _as("RS256", iss=AUTH0, aud=[API, f"{AUTH0}userinfo"], sub="auth0|65f1", azp="spa")

PAIRS = [
    Pair("Better Auth: `token` of `/api/auth/token`", _key_set(APP, APP), "taken", BETTER_AUTH),
    Pair("the same", _key_set(), "audience-not-configured", BETTER_AUTH),
    Pair("the same", _key_set(f"{APP}/", APP), "issuer", BETTER_AUTH),
    Pair("the same", _secret(), "algorithm", BETTER_AUTH),
    Pair(
        "Better Auth: the session token of sign-in, or of the cookie",
        _key_set(APP, APP),
        "form",
        lambda: "Xh3Yk8Qm2Vn5Rt7Wp1Zs4Ub6Dc9Fe0Ga",
    ),
    Pair(
        "Better Auth: signed with a key that is no longer published",
        _key_set(APP, APP),
        "unknown-kid",
        _as("EdDSA", {"kid": "x7JcP0fMJ5qkVbq1hZ5LZ"}, iss=APP, aud=APP),
    ),
    Pair(
        "Better Auth: `keyPairConfig: {alg: 'ES512'}`",
        _key_set(APP, APP),
        "algorithm",
        _as("ES512", iss=APP, aud=APP),
    ),
    Pair("Auth0: access token for an API", _key_set(AUTH0, API), "taken", AUTH0_API),
    Pair("the same", _key_set(AUTH0.rstrip("/"), API), "issuer", AUTH0_API),
    Pair(
        "Auth0: access token asked for without `audience`", _key_set(AUTH0), "encrypted", _encrypted
    ),
    Pair(
        "Auth0: an API that signs with HS256",
        _key_set(AUTH0, API),
        "algorithm",
        _as("HS256", iss=AUTH0, aud=API, sub="auth0|65f1"),
    ),
    Pair(
        "Auth0: ID token",
        _key_set(AUTH0, API),
        "audience",
        _as("RS256", iss=AUTH0, aud="spa", sub="auth0|65f1", nonce="n"),
    ),
    Pair(
        "Keycloak: access token of a client with an audience mapper",
        _key_set(KEYCLOAK, "tasks"),
        "taken",
        _as("RS256", iss=KEYCLOAK, aud=["tasks", "account"], typ="Bearer", azp="web"),
    ),
    Pair(
        "Keycloak: access token of a client without one",
        _key_set(KEYCLOAK, "tasks"),
        "audience",
        _as("RS256", iss=KEYCLOAK, aud="account", typ="Bearer", azp="web"),
    ),
    Pair(
        "Keycloak: ID token",
        _key_set(KEYCLOAK, "web"),
        "token-use",
        _as("RS256", iss=KEYCLOAK, aud="web", typ="ID", azp="web"),
    ),
    Pair(
        "Keycloak: refresh token",
        _key_set(KEYCLOAK),
        "algorithm",
        _as("HS512", {"kid": "5e1c"}, iss=KEYCLOAK, aud=KEYCLOAK, typ="Refresh"),
    ),
    Pair(
        "Entra ID: access token for your API",
        _key_set(ENTRA, "6e74172b-be56-4843-9ff4-e66a39bb12e3"),
        "taken",
        _as("RS256", iss=ENTRA, aud="6e74172b-be56-4843-9ff4-e66a39bb12e3", ver="2.0"),
    ),
    Pair(
        "Entra ID: access token for Microsoft Graph, which only Graph can verify",
        _key_set(),
        "signature",
        lambda: (
            _as("RS256", {"nonce": "n"}, aud="00000003-0000-0000-c000-000000000000")()[:-8]
            + "AAAAAAAA"
        ),
    ),
    Pair(
        "Cognito: access token, which has no `aud`",
        _key_set(COGNITO),
        "taken",
        _as("RS256", iss=COGNITO, token_use="access", client_id="7lk3", scope="openid"),
    ),
    Pair(
        "the same",
        _key_set(COGNITO, "7lk3"),
        "no-audience",
        _as("RS256", iss=COGNITO, token_use="access", client_id="7lk3", scope="openid"),
    ),
    Pair(
        "Cognito: ID token",
        _key_set(COGNITO, "7lk3"),
        "token-use",
        _as("RS256", iss=COGNITO, aud="7lk3", token_use="id"),
    ),
    Pair(
        "Okta: access token of the org's own server, not of a custom one",
        _key_set("https://org.okta.com"),
        "typ",
        _as("RS256", {"typ": "application/okta-internal-at+jwt"}, iss="https://org.okta.com"),
    ),
    Pair(
        "Supabase: access token, HS256",
        _secret("", "authenticated"),
        "taken",
        _as(
            "HS256", aud="authenticated", role="authenticated", iss="https://p.supabase.co/auth/v1"
        ),
    ),
    Pair(
        "Supabase: the project's `anon` key, HS256",
        _secret(),
        "subject",
        _as("HS256", sub=None, iss="supabase", role="anon"),
    ),
    Pair(
        "GitHub Actions: `sub` with slashes and colons",
        _key_set("https://token.actions.githubusercontent.com", API),
        "taken",
        _as(
            "RS256",
            iss="https://token.actions.githubusercontent.com",
            aud=API,
            sub="repo:octo/app:ref:refs/heads/main",
        ),
    ),
    Pair(
        "SPIFFE: a JWT-SVID",
        _key_set("", API),
        "taken",
        _as("ES256", aud=[API], sub="spiffe://example.org/ns/default/sa/app"),
    ),
    Pair(
        "a small issuer whose tokens name no key",
        _key_set(),
        "no-kid",
        _as("ES256", {"kid": None}),
    ),
    Pair("Auth.js: the session cookie", _secret(), "encrypted", _encrypted),
    Pair(
        "Flask-JWT-Extended: refresh token",
        _secret(),
        "token-use",
        _as("HS256", type="refresh", fresh=False, jti="x"),
    ),
    Pair(
        "Simple JWT (Django): access token, with `user_id` and no `sub`",
        _secret(),
        "subject",
        _as("HS256", sub=None, token_type="access", user_id="7", jti="x"),
    ),
    Pair("home-made: no `exp`", _secret(), "no-expiry", _as("HS256", exp=None)),
    Pair(
        "home-made: the issuer's clock is a minute ahead",
        _secret(),
        "not-yet",
        lambda: _signed("HS256", {"iat": int(time.time()) + 60}),
    ),
    Pair(
        "home-made: a tab that was left open over night",
        _secret(),
        "expired",
        lambda: _signed("HS256", {"exp": int(time.time()) - 8 * 3600}),
    ),
]


class Published:
    """The issuers' key set, at hand."""

    algorithms = KeySet.algorithms

    def __init__(self) -> None:
        public = [
            {**OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True), "kid": "EdDSA"},
            {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "ES256"},
            {**ECAlgorithm.to_jwk(P521.public_key(), as_dict=True), "kid": "ES512"},
            {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "RS256"},
        ]
        self._keys = keys_in(json.dumps({"keys": public}).encode()).keys

    def known(self, kid: object) -> Key | None:
        """The key of that name."""
        return self._keys.get(str(kid))

    async def find(self, kid: object) -> Key | None:
        """The key of that name."""
        return self.known(kid)


def outcome_of(pair: Pair) -> str:
    """`taken`, or the reason why it is refused."""
    secret = pair.settings.get("jwt_secret")
    given = pair.settings if secret else {"jwks_url": f"{APP}/api/auth/jwks", **pair.settings}
    keys: Keys = SharedSecret(secret) if secret else Published()
    verifier = Verifier(TokenSettings.model_validate(given), keys)
    try:
        asyncio.run(verifier.identity(pair.make().encode()))
    except TokenError as error:
        return error.reason
    return "taken"


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(map(_row, PAIRS)) + "\n"


def _row(pair: Pair) -> str:
    shown = ["`JWT_SECRET`" if "jwt_secret" in pair.settings else "`JWKS_URL`"]
    shown += [
        f"`{name.upper()}={value}`" for name, value in pair.settings.items() if value != SECRET
    ]
    return f"| {pair.token} | {', '.join(shown)} | {outcome_of(pair)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
