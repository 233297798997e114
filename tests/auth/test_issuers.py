"""Tokens of real issuers: which are accepted, and why the others are refused."""

import re
from pathlib import Path

import pytest

from service.auth.refusals import REASONS
from tests.auth.issuers import PAGE, PAIRS, Pair, outcome_of, page

README = Path(__file__).parents[2] / "service" / "auth" / "README.md"


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.token}: {pair.outcome}"[:60])
def test_each_pair_of_token_and_settings_is_valid_or_refused_for_its_reason(pair: Pair) -> None:
    """The token is valid, or refused for a reason that an operator can act on."""
    assert outcome_of(pair) == pair.outcome


def test_the_page_has_the_verifiers_own_verdicts() -> None:
    """The page for operators is generated from these pairs."""
    assert PAGE.read_text() == page()


def test_the_guide_has_a_line_for_each_reason() -> None:
    """The chapter on tokens has a line for each reason, and for no other."""
    chapter = README.read_text().partition("## When a token is refused")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `([a-z-]+)` \|", chapter, flags=re.MULTILINE)) == REASONS
