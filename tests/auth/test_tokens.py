"""Valid and invalid tokens, and the cache of verified ones."""

import base64
import hashlib
import hmac
import json
import random
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from service.auth import tokens
from service.auth.key_set import SharedSecret
from service.auth.refusals import Reason, TokenError, TokenExpired
from service.auth.tokens import (
    LEEWAY,
    MAX_TOKEN_BYTES,
    Verifier,
    issue,
    sign,
)
from service.owner import Identity, OwnerId
from service.settings import TokenSettings
from tests.auth.forgeries import (
    BODY,
    CLAIMS,
    FORGED,
    GOOD,
    HEAD,
    JWK,
    PEM,
    SIGNATURE,
    b64,
    signed,
    text,
    with_header,
)
from tests.conftest import SECRET

NOW = 1_767_225_600  # the clock's time, unless a test moves it


def verifier_of(now: float = NOW, /, **settings: str) -> Verifier:
    given = {"jwt_secret": SECRET, **settings}
    return Verifier(
        TokenSettings.model_validate(given), SharedSecret(given["jwt_secret"]), lambda: now
    )


def identity_of(verifier: Verifier, token: bytes) -> Identity:
    """What the verifier says, without an event loop: with a shared secret it never waits."""
    with pytest.raises(StopIteration) as ended:
        verifier.identity(token).send(None)
    identity: Identity = ended.value.value
    return identity


def token_of(**claims: Any) -> bytes:
    """A token of alice's that lives a minute, with other claims on top; None takes a claim away."""
    content = {"sub": "alice", "exp": NOW + 60, **claims}
    return signed(claims={name: value for name, value in content.items() if value is not None})


def test_a_valid_token_is_an_identity() -> None:
    """Subject, e-mail and end of a token, as the service knows its caller; the owner is an
    OwnerId.
    """
    identity = identity_of(verifier_of(), token_of(email="alice@example.com"))
    assert identity == Identity(OwnerId("alice"), "alice@example.com", NOW + 60 + LEEWAY)
    assert type(identity.owner) is OwnerId
    assert identity_of(verifier_of(), token_of()).email is None


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "a"},
        {"sub": "é" * 255},
        {"sub": "a b"},
        {"sub": "\U0001f600"},
        {"sub": "auth0|0123/../x"},
        {"exp": NOW + 0.5},
        {"exp": NOW - 9},
        {"exp": 253402300799},
        {"nbf": NOW, "iat": NOW},
        {"nbf": NOW + 10, "iat": NOW + 10},
        {"nbf": 0, "iat": -1},
        {"iat": NOW - 10**6},
        {"iss": "anyone"},
        {"email": ""},
        {"name": {"whatever": ["else", 1.5, True]}, "jti": "x", "role": "admin"},
    ],
)
def test_valid_claims_are_accepted(claims: dict[str, Any]) -> None:
    """Subjects up to 255 characters, times within the leeway of ten seconds, and any other
    claims.
    """
    assert identity_of(verifier_of(), token_of(**claims)).owner == claims.get("sub", "alice")


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"typ": "at+JWT"},
        {"kid": "k"},
        {"jku": "http://127.0.0.1:9/", "x5u": "http://127.0.0.1:9/", "jwk": JWK},
    ],
)
def test_unknown_members_of_a_header_are_ignored(header: dict[str, Any]) -> None:
    """A token as the forged ones are but for their fault is valid; nothing is fetched for it."""
    assert identity_of(verifier_of(), with_header(**header)).owner == "alice"


@pytest.mark.parametrize("reason", FORGED)
def test_every_forged_token_is_refused_by_its_rule(reason: Reason) -> None:
    """A token with one fault is refused for that fault, however well it is signed."""
    refused: dict[str, object] = {}
    for row, forged in FORGED[reason].items():
        with pytest.raises(TokenError) as raised:
            identity_of(verifier_of(), forged)
        refused[row] = (type(raised.value), raised.value.reason, raised.value.args)
    assert refused == dict.fromkeys(FORGED[reason], (TokenError, reason, (reason,)))


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_from_ahead_is_refused(name: str) -> None:
    """A token that begins, or was made, more than ten seconds ahead is refused."""
    with pytest.raises(TokenError) as raised:
        identity_of(verifier_of(), token_of(**{name: NOW + 11}))
    assert raised.value.reason == "not-yet"


def test_a_pem_as_secret_verifies_nothing() -> None:
    """A PEM as secret verifies nothing: anyone with the public key could sign."""
    verifier = verifier_of(jwt_secret=PEM)
    with pytest.raises(TokenError):
        identity_of(verifier, signed(secret=PEM.encode()))


def test_a_token_over_8_kib_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """8,192 bytes are taken; one more, or five million, are refused before anything is decoded."""
    longest = b""
    for blanks in range(6100, 5000, -1):
        longest = signed(claims=text(CLAIMS) + b" " * blanks)
        if len(longest) <= MAX_TOKEN_BYTES:
            break
    assert MAX_TOKEN_BYTES == 8192
    assert 8190 <= len(longest) <= 8192
    assert identity_of(verifier_of(), longest).owner == "alice"
    verifier = verifier_of()
    # Whatever is read from here on is an AttributeError
    monkeypatch.setattr(verifier, "_signatures", None)
    longer = signed(claims=text(CLAIMS) + b" " * (blanks + 2))
    for refused in (longer, b"a" * 5_000_000, GOOD + b"a" * 5_000_000):
        assert len(refused) > MAX_TOKEN_BYTES
        with pytest.raises(TokenError):
            identity_of(verifier, refused)


@pytest.mark.parametrize(
    ("settings", "claims", "valid"),
    [
        ({"jwt_issuer": "i"}, {"iss": "i"}, True),
        ({"jwt_issuer": "i"}, {}, False),
        ({"jwt_issuer": "i"}, {"iss": "i/"}, False),
        ({"jwt_issuer": "i"}, {"iss": "I"}, False),
        ({"jwt_issuer": "i"}, {"iss": ["i"]}, False),
        ({"jwt_audience": "a"}, {"aud": "a"}, True),
        ({"jwt_audience": "a"}, {"aud": ["b", "a"]}, True),
        ({"jwt_audience": "a"}, {}, False),
        ({"jwt_audience": "a"}, {"aud": "b"}, False),
        ({"jwt_audience": "a"}, {"aud": "ab"}, False),
        ({"jwt_audience": "a"}, {"aud": []}, False),
        ({"jwt_audience": "a"}, {"aud": ["b"]}, False),
        ({"jwt_audience": "a"}, {"aud": ["a", 1]}, False),
        ({"jwt_audience": "a"}, {"aud": {"a": 1}}, False),
        ({"jwt_audience": "a, b"}, {"aud": "b"}, True),
        ({"jwt_audience": "a,b"}, {"aud": ["c", "a"]}, True),
        ({"jwt_audience": '["a,b"]'}, {"aud": "a,b"}, True),
        ({"jwt_audience": "a,b"}, {"aud": "a,b"}, False),
        ({"jwt_audience": "a,b"}, {"aud": "c"}, False),
        ({"jwt_audience": "a", "jwt_issuer": "i"}, {"aud": "a", "iss": "i"}, True),
        ({"jwt_audience": "a", "jwt_issuer": "i"}, {"aud": "a", "iss": "j"}, False),
        ({"jwt_audience": "a", "jwt_issuer": "i"}, {"aud": "b", "iss": "i"}, False),
    ],
)
def test_configured_issuer_and_audience_must_match(
    settings: dict[str, str], claims: dict[str, Any], valid: bool
) -> None:
    """A configured issuer must equal the token's, a configured audience one of the token's."""
    verifier = verifier_of(**settings)
    if valid:
        assert identity_of(verifier, token_of(**claims)).owner == "alice"
    else:
        with pytest.raises(TokenError):
            identity_of(verifier, token_of(**claims))


@pytest.mark.parametrize(
    ("expired_for", "expected"), [(9.5, None), (10, TokenExpired), (10**9, TokenExpired)]
)
def test_a_token_expires_with_ten_seconds_leeway(
    expired_for: float, expected: type[TokenError] | None
) -> None:
    """Clocks may differ by less than ten seconds; from then on the token has expired."""
    verifier = verifier_of(NOW + expired_for)
    token = token_of(exp=NOW)
    if expected is None:
        assert identity_of(verifier, token).owner == "alice"
    else:
        with pytest.raises(expected):
            identity_of(verifier, token)


@pytest.mark.parametrize("claims", [{"sub": ""}, {"nbf": NOW + 10**6}, {"aud": "x"}, {"email": 1}])
def test_only_an_otherwise_valid_token_is_reported_as_expired(claims: dict[str, Any]) -> None:
    """An expired token with another fault, or a forged one, is only "Invalid credentials"."""
    expired = {"exp": NOW - 60}
    for token in (token_of(**expired, **claims), token_of(**expired)[:-6] + b"AAAAAA"):
        with pytest.raises(TokenError) as raised:
            identity_of(verifier_of(), token)
        assert type(raised.value) is TokenError


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(clock: Clock) -> Verifier:
    return Verifier(
        TokenSettings.model_validate({"jwt_secret": SECRET}), SharedSecret(SECRET), clock
    )


def test_a_token_is_verified_once(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was verified is not verified a second time; another token is."""
    first = identity_of(verifier, token_of())
    monkeypatch.setattr(verifier, "_signatures", None)
    assert identity_of(verifier, token_of()) is first
    with pytest.raises(AttributeError):
        identity_of(verifier, token_of(sub="bob"))


def test_a_remembered_token_expires_on_time(verifier: Verifier, clock: Clock) -> None:
    """A remembered token expires at the moment at which verifying it anew would refuse it."""
    token = token_of(exp=NOW + 60)
    identity_of(verifier, token)
    clock.now = NOW + 60 + LEEWAY - 0.001
    assert identity_of(verifier, token).owner == "alice"
    clock.now = NOW + 60 + LEEWAY
    for _ in range(2):  # remembered, then verified
        with pytest.raises(TokenExpired):
            identity_of(verifier, token)


def test_the_oldest_remembered_tokens_are_dropped(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When too many tokens are remembered, the oldest are dropped, and verified when they come
    again.
    """
    monkeypatch.setattr(tokens, "CACHE_SIZE", 3)
    issued = [token_of(sub=f"user{number}") for number in range(5)]
    for token in issued:
        identity_of(verifier, token)
        identity_of(verifier, token)
    assert list(verifier._verified) == issued[2:]  # noqa: SLF001 - its size shows nowhere else
    assert identity_of(verifier, issued[0]).owner == "user0"
    assert len(verifier._verified) == 3  # noqa: SLF001 - its size shows nowhere else


def test_a_refused_token_is_not_remembered(verifier: Verifier) -> None:
    """Invalid tokens cannot fill the memory."""
    for token in (GOOD[:-6] + b"AAAAAA", token_of(exp=NOW - 60), token_of(sub=""), b"x", b"a.b.c"):
        with pytest.raises(TokenError):
            identity_of(verifier, token)
    assert verifier._verified == {}  # noqa: SLF001 - its size shows nowhere else


def forgeries(token: bytes) -> Iterator[bytes]:
    """The token with one character changed, at each place in turn."""
    others = random.Random(0)
    for place, old in enumerate(token):
        if old != ord("."):
            # 32 away in the alphabet is the character's first bit; the last character's last two
            # bits belong to no byte.
            alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            new = alphabet[(alphabet.index(old) + others.choice((4, 32))) % 64]
            yield token[:place] + bytes([new]) + token[place + 1 :]


def test_no_variant_of_a_remembered_token_is_valid(verifier: Verifier) -> None:
    """A token that differs from a remembered one in any character, in length or in order is
    refused.
    """
    token = token_of(email="alice@example.com")
    identity_of(verifier, token)
    head, payload, signature = token.split(b".")
    tampered = b64(base64.urlsafe_b64decode(payload + b"==").replace(b"alice", b"bobby"))
    variants = [
        *forgeries(token),
        token[:-1],
        token + b"A",
        token.lower(),
        token.swapcase(),
        token[::-1],
    ]
    variants += [b".".join((head, tampered, signature)), b".".join((payload, head, signature))]
    for variant in variants:
        with pytest.raises(TokenError):
            identity_of(verifier, variant)
    assert identity_of(verifier, token).owner == "alice"


def test_verifiers_share_no_memory() -> None:
    """A token that one secret verified is nothing to another."""
    token = token_of()
    identity_of(verifier_of(), token)
    with pytest.raises(TokenError):
        identity_of(verifier_of(jwt_secret="x" * 32), token)


def test_sign_makes_valid_tokens() -> None:
    """A development token verifies, with the claims asked for and no others."""
    before = int(time.time())
    token = sign(SECRET, "alice", ttl=60, email="alice@example.com", iss="i").encode()
    identity = identity_of(verifier_of(before, jwt_issuer="i"), token)
    assert (identity.owner, identity.email) == ("alice", "alice@example.com")
    assert 0 <= identity.expires - before - 60 - LEEWAY < 10
    claims = jwt.decode(sign(SECRET, "alice", ttl=60), SECRET, algorithms=["HS256"])
    assert set(claims) == {"sub", "iat", "exp"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"jwt_issuer": "https://issuer.example"},
        {"jwt_audience": "tasks"},
        {"jwt_audience": "tasks,others", "jwt_issuer": "i"},
    ],
)
def test_issue_makes_tokens_valid_under_the_settings(settings: dict[str, str]) -> None:
    """A development token has the issuer and the audience that the settings ask for."""
    given = TokenSettings.model_validate({"jwt_secret": SECRET, **settings})
    token = issue(given, "alice", ttl=60).encode()
    verifier = Verifier(given, SharedSecret(SECRET))
    assert identity_of(verifier, token).owner == "alice"


def test_issue_needs_the_secret() -> None:
    """With a key set only the issuer can sign."""
    with pytest.raises(ValueError, match="no secret"):
        issue(TokenSettings.model_validate({"jwks_url": "https://a.example/"}), "alice", ttl=60)


@pytest.mark.parametrize("name", ["typ", "type", "token_type", "tokenType", "token_use"])
@pytest.mark.parametrize(
    ("use", "taken"),
    [
        *((use, False) for use in ("refresh", "Refresh", "REFRESH_TOKEN", "refresh-token")),
        *((use, False) for use in ("id", "ID", "id_token", "Offline", "Logout")),
        *((use, True) for use in ("access", "Bearer", "access-token", "user", "idea", "", 1, None)),
    ],
)
def test_refresh_and_id_tokens_are_refused(name: str, use: object, taken: bool) -> None:
    """A token that its issuer calls a refresh or an ID token is refused, however well it is
    signed.
    """
    content = json.dumps({"sub": "alice", "exp": NOW + 60, name: use}).encode()
    if taken:
        assert identity_of(verifier_of(), signed(claims=content)).owner == "alice"
        return
    with pytest.raises(TokenError) as raised:
        identity_of(verifier_of(), signed(claims=content))
    assert raised.value.reason == "token-use"


def test_the_forger_signs_as_a_library_does() -> None:
    """With the real secret the forger's token is valid to a library: forgeries fail for
    their fault.
    """
    assert jwt.decode(GOOD, SECRET, ["HS256"]) == CLAIMS
    signature = hmac.new(SECRET.encode(), HEAD + b"." + BODY, hashlib.sha256).digest()
    assert b64(signature) == SIGNATURE
