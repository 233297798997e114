"""Tokens: valid for the same owner and purpose, and no others."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.web.cursors import Cursors
from service.web.problem_types import Expired, Invalid

CURSORS = Cursors("a secret of 32 characters or more")
TOKEN = CURSORS.seal("changes", "alice", [7, 9])


def opened(
    token: str, purpose: str = "changes", owner: str = "alice", cursors: Cursors = CURSORS
) -> list[int]:
    return cursors.open(purpose, owner, token, list[int], parameter="since")


@given(st.text(), st.text(), st.lists(st.integers(-(2**53), 2**53), max_size=8))
def test_a_token_opens_to_its_payload(purpose: str, owner: str, payload: list[int]) -> None:
    """A token opens to its payload, and stands in a URL as it is."""
    token = CURSORS.seal(purpose, owner, payload)
    assert opened(token, purpose, owner) == payload
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize(
    ("token", "purpose", "owner", "cursors"),
    [
        (TOKEN, "changes", "bob", CURSORS),
        (TOKEN, "changes", "", CURSORS),
        (TOKEN, "tasks", "alice", CURSORS),
        (TOKEN, 'changes","alice', "", CURSORS),
        (TOKEN, "changes", "alice", Cursors("another secret of 32 characters!!")),
        (CURSORS.seal("changes", "alice", {"a": 1}), "changes", "alice", CURSORS),
        (CURSORS.seal("changes", "alice", list(range(999))), "changes", "alice", CURSORS),
        ("", "changes", "alice", CURSORS),
        ("7", "changes", "alice", CURSORS),
        ("é", "changes", "alice", CURSORS),
        (TOKEN + "=", "changes", "alice", CURSORS),
        (TOKEN + "AAAA", "changes", "alice", CURSORS),
        (base64.urlsafe_b64encode(b"[7,9]").decode(), "changes", "alice", CURSORS),
    ],
)
def test_a_token_out_of_place_is_refused(
    token: str, purpose: str, owner: str, cursors: Cursors
) -> None:
    """Another owner's, another list's, another key's, an old shape, and plain nonsense: one answer,
    with the parameter's name.
    """
    with pytest.raises(Invalid) as refused:
        opened(token, purpose, owner, cursors)
    assert refused.value.members["errors"] == [
        {
            "parameter": "since",
            "detail": "Must be a token as this list gave it to you",
            "code": "token",
        }
    ]


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_a_token_with_a_changed_character_is_refused(place: int) -> None:
    """A token with any character changed is refused."""
    for character in "AQgw9_":
        if character != TOKEN[place]:
            with pytest.raises(Invalid):
                opened(TOKEN[:place] + character + TOKEN[place + 1 :])


def test_tokens_of_all_configured_secrets_are_accepted() -> None:
    """The first secret signs, and tokens that any of them has signed are read."""
    old, new = "an old secret of 32 characters...", "a new secret of 32 characters...."
    before, during, after = Cursors(old), Cursors(new, old), Cursors(new)
    assert opened(before.seal("changes", "alice", [1]), cursors=during) == [1]
    assert opened(during.seal("changes", "alice", [2]), cursors=after) == [2]


@pytest.mark.parametrize(
    ("token", "raised"), [(TOKEN, Expired), (TOKEN[:20], Invalid), ("nonsense", Invalid)]
)
def test_a_token_of_a_removed_secret_is_an_expired_place(
    token: str, raised: type[Exception]
) -> None:
    """A token of another secret is a place that is not known any more; other texts are none."""
    with pytest.raises(raised):
        Cursors("another secret of 32 characters").open(
            "changes", "alice", token, list[int], parameter="since", unknown=Expired
        )
