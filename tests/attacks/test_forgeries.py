"""Forged and malformed tokens against the real service."""

import base64
import time
from collections.abc import Callable

import pytest

from tests.attacks.conftest import Target
from tests.attacks.judge import SESSION, answered
from tests.auth.forgeries import (
    BODY,
    CLAIMS,
    FORGED,
    OTHER,
    ROWS,
    SIGNATURE,
    signed,
    with_claims,
)
from tests.conftest import SECRET

# tests/auth/test_tokens.py has each row and its reason. Sent are those that a parser could change
# on their way, all that are long, and one for each reason.
CHANGEABLE = (
    *("not ASCII", "not UTF-8", "two tokens", "its scheme inside", "percent-encoded", "in quotes"),
    *("JSON serialization", "padding", "a blank inside", "a tab inside"),
)
SENT = sorted(
    {
        *CHANGEABLE,
        *(row for row, forged in ROWS.items() if len(forged) > 1000),
        *(next(iter(rows)) for reason, rows in FORGED.items() if reason != "form"),
    }
)


@pytest.fixture(scope="module")
def usual(target: Target) -> int:
    """The length of the answer to a token that somebody else signed."""
    return len(answered(target, path=SESSION, token=signed(secret=OTHER)).raw)


@pytest.mark.parametrize("row", SENT)
def test_every_wrong_token_gets_the_same_401(target: Target, usual: int, row: str) -> None:
    """Every wrong token gets the same 401, byte for byte apart from the request id."""
    answer = answered(target, path=SESSION, token=ROWS[row])
    assert answer.statuses == [401]
    assert b'error="invalid_token", error_description="Invalid credentials"' in answer.raw
    assert len(answer.raw) == usual


def test_an_expired_token_is_reported_as_expired(target: Target) -> None:
    """An expired but otherwise valid token gets "Token has expired"."""
    for expiry in (0, -1, int(time.time()) - 11):
        answer = answered(target, path=SESSION, token=with_claims(exp=expiry))
        assert answer.statuses == [401]
        assert b'error_description="Token has expired"' in answer.raw


def test_an_expired_token_with_a_wrong_signature_is_only_invalid(target: Target) -> None:
    """A token with a wrong signature never gets "Token has expired"."""
    forged = signed(claims={**CLAIMS, "exp": 1}, secret=OTHER)
    answer = answered(target, path=SESSION, token=forged)
    assert b"Invalid credentials" in answer.raw


ELSEWHERE: dict[str, Callable[[str], tuple[str, bytes, bytes]]] = {
    "in the query": lambda good: (f"{SESSION}?access_token={good}", b"", b""),
    "in the query, another name": lambda good: (f"{SESSION}?token={good}&jwt={good}", b"", b""),
    "in a cookie": lambda good: (
        SESSION,
        f"Cookie: token={good}; better-auth.session_token={good}".encode(),
        b"",
    ),
    "in the body": lambda good: (SESSION, b"", f"access_token={good}".encode()),
    "in another header": lambda good: (
        SESSION,
        f"X-Authorization: Bearer {good}\nX-Access-Token: {good}".encode(),
        b"",
    ),
    "Basic": lambda good: (
        SESSION,
        b"Authorization: Basic " + base64.b64encode(f"alice:{good}".encode()),
        b"",
    ),
    "no scheme": lambda good: (SESSION, f"Authorization: {good}".encode(), b""),
    "another scheme": lambda good: (SESSION, f"Authorization: DPoP {good}".encode(), b""),
    "in the proxy's header": lambda good: (
        SESSION,
        f"Proxy-Authorization: Bearer {good}".encode(),
        b"",
    ),
    "whose user a header says": lambda _: (
        SESSION,
        b"X-User-Id: alice\nX-Forwarded-User: alice\nRemote-User: alice",
        b"",
    ),
    "an empty token": lambda _: (SESSION, b"Authorization: Bearer ", b""),
}


@pytest.mark.parametrize("row", ELSEWHERE)
def test_a_token_outside_the_authorization_header_is_ignored(target: Target, row: str) -> None:
    """A token counts only in the Authorization header."""
    path, headers, body = ELSEWHERE[row](target.tokens["alice"])
    answer = answered(target, path=path, token=b"", headers=headers, body=body)
    assert answer.statuses == [401]
    assert b"Not authenticated" in answer.raw
    assert b"www-authenticate: Bearer\r\n" in answer.raw.lower().replace(b"bearer", b"Bearer")


def test_tokens_are_not_logged(target: Target) -> None:
    """No token that was sent, valid or not, is in the log."""
    before = len(target.run.lines)
    answered(target, path=SESSION)
    answered(target, path=SESSION, token=signed(secret=OTHER))
    deadline = time.monotonic() + 10
    while sum(SESSION in line for line in target.run.lines[before:]) < 2:
        assert time.monotonic() < deadline, target.run.lines[before:]
        time.sleep(0.01)
    log = "".join(target.run.lines)
    assert SECRET not in log
    assert not any(
        segment in log
        for segment in (BODY.decode(), SIGNATURE.decode(), target.tokens["alice"], "eyJ")
    )
