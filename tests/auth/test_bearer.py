"""The Authorization header: the identity of a request, and the responses without one."""

import asyncio

import pytest

from service.auth.bearer import identity_of, owner_of
from service.auth.tokens import sign
from service.owner import OwnerId
from service.web.exchange import Exchange
from service.web.problem_types import BadRequest, NotAuthenticated, NotFound
from tests.dispatching import SECRET, authenticate, exchange_of

ALICE = sign(SECRET, "alice", ttl=600, email="alice@example.com").encode()
EXPIRED = sign(SECRET, "alice", ttl=-600).encode()


def request_of(*authorization: bytes, user_id: str = "alice") -> Exchange:
    """A request with these Authorization headers, at a user's path."""
    headers = [
        (b"x-authorization", b"Bearer x"),
        *((b"authorization", value) for value in authorization),
    ]
    exchange = exchange_of(headers, path_params={"user_id": user_id})
    verifying = authenticate()
    if (token := verifying.token_of(exchange)) is not None:
        asyncio.run(verifying.verify(exchange, token))
    return exchange


@pytest.mark.parametrize(
    "header", [b"Bearer " + ALICE, b"bearer " + ALICE, b"BEARER   " + ALICE + b"  "]
)
def test_a_bearer_token_authenticates_its_subject(header: bytes) -> None:
    """The scheme is read in either case, and blanks around the token are ignored."""
    identity = identity_of(request_of(header))
    assert (identity.owner, identity.email) == ("alice", "alice@example.com")
    assert type(identity.owner) is OwnerId


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (b"",),
        (b" ",),
        (b"Bearer",),
        (b"Bearer ",),
        (b"Bearer    ",),
        (b"Basic YWxpY2U6aHVudGVyMg==",),
        (b"Token " + ALICE,),
        (b"Bearer\t" + ALICE,),
        (b"Bearer:" + ALICE,),
        (b" Bearer " + ALICE,),
        (ALICE,),
    ],
)
def test_no_token_is_401_with_a_bare_challenge(headers: tuple[bytes, ...]) -> None:
    """Without a bearer token the challenge names the scheme and no error (RFC 6750, section 3)."""
    with pytest.raises(NotAuthenticated) as raised:
        identity_of(request_of(*headers))
    assert str(raised.value) == "Not authenticated"
    assert raised.value.headers == {"WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        (EXPIRED, "Token has expired"),
        (b"x", "Invalid credentials"),
        (b"\xff\xfe", "Invalid credentials"),
        (b'"', "Invalid credentials"),
        (ALICE + b"=", "Invalid credentials"),
        (ALICE + b" " + ALICE, "Invalid credentials"),
        (ALICE + b"," + ALICE, "Invalid credentials"),
        (b"\t" + ALICE, "Invalid credentials"),
        (ALICE[:-6] + b"AAAAAA", "Invalid credentials"),
        (EXPIRED[:-6] + b"AAAAAA", "Invalid credentials"),
        (b"a" * 10_000, "Invalid credentials"),
        (
            sign("another secret of 32 characters!!", "alice", ttl=600).encode(),
            "Invalid credentials",
        ),
    ],
)
def test_a_refused_token_is_only_expired_or_invalid(token: bytes, detail: str) -> None:
    """The answer says expired or invalid, never why; the challenge says invalid_token (RFC 6750,
    section 3.1).
    """
    with pytest.raises(NotAuthenticated) as raised:
        identity_of(request_of(b"Bearer " + token))
    error = raised.value
    assert str(error) == detail
    assert error.headers == {
        "WWW-Authenticate": f'Bearer error="invalid_token", error_description="{detail}"'
    }
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize(
    ("authorization", "worth"),
    [
        (b"Bearer " + ALICE, ("valid", "")),
        (b"Bearer " + EXPIRED, ("expired", "expired")),
        (b"Bearer x", ("invalid", "form")),
        (b"Bearer " + ALICE[:-6] + b"AAAAAA", ("invalid", "signature")),
        (b"Basic YWxpY2U6aHVudGVyMg==", ("none", "")),
    ],
)
def test_the_operator_sees_the_outcome_and_the_reason(
    authorization: bytes, worth: tuple[str, str]
) -> None:
    """The operator sees the token's outcome and why it was refused."""
    exchange = request_of(authorization)
    assert (exchange.worth, exchange.token_fault) == worth


@pytest.mark.parametrize("second", [b"Bearer " + ALICE, b"Basic YWxpY2U6aHVudGVyMg==", b""])
def test_two_authorization_headers_are_401(second: bytes) -> None:
    """A proxy and the service could differ on which of two headers counts, so both are refused."""
    for headers in ((b"Bearer " + ALICE, second), (second, b"Bearer " + ALICE)):
        with pytest.raises(BadRequest, match="More than one Authorization header"):
            identity_of(request_of(*headers))


@pytest.mark.parametrize("user_id", ["bob", "", "Alice", "alice ", "al\u0131ce", "alic", "alicex"])
def test_another_users_path_is_404(user_id: str) -> None:
    """The path's user must equal the token's subject exactly; every other path is the same 404."""
    with pytest.raises(NotFound) as raised:
        owner_of(request_of(b"Bearer " + ALICE, user_id=user_id))
    assert str(raised.value) == "Not found"


def test_the_owner_is_the_tokens_subject() -> None:
    """On the caller's own path the owner is the verified subject, never the path's text."""
    owner = owner_of(request_of(b"Bearer " + ALICE))
    assert owner == "alice"
    assert type(owner) is OwnerId


def test_a_missing_token_is_401_on_any_users_path() -> None:
    """Without a valid token the path's user does not matter: 401 comes before 404."""
    with pytest.raises(NotAuthenticated):
        owner_of(request_of(user_id="bob"))
    with pytest.raises(NotAuthenticated):
        owner_of(request_of(b"Bearer " + EXPIRED, user_id="bob"))
