"""Content negotiation."""

import pytest

from service.web.negotiation import best

JSON, HTML, TEXT = "application/json", "text/html", "text/plain"


@pytest.mark.parametrize(
    ("accept", "offered", "expected"),
    [
        ([], [JSON], JSON),
        ([""], [JSON], JSON),
        (["*/*"], [JSON], JSON),
        (["application/json"], [JSON], JSON),
        (["Application/JSON; charset=utf-8"], [JSON], JSON),
        (["application/*"], [JSON], JSON),
        (["text/html"], [JSON], None),
        (["text/html, */*;q=0.1"], [JSON], JSON),
        (["text/html", "application/json"], [JSON], JSON),
        (["application/json;q=0"], [JSON], None),
        (["application/json;q=0, */*"], [JSON], None),
        (["*/*;q=0"], [JSON], None),
        (["application/*;q=0.000, application/json"], [JSON], JSON),
        (["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], [TEXT, HTML], HTML),
        (["*/*"], [TEXT, HTML], TEXT),
        (["text/*;q=0.5, text/html;q=0.4"], [TEXT, HTML], TEXT),
        (["text/plain;q=0.2, text/html;q=0.3"], [TEXT, HTML], HTML),
        (["nonsense"], [JSON], JSON),
        (["\x00, /, a/b/c"], [JSON], JSON),
    ],
)
def test_the_most_specific_range_decides(
    accept: list[str], offered: list[str], expected: str | None
) -> None:
    """The most specific range decides; of equals the earlier offer wins; what cannot be read takes
    everything.
    """
    assert best(tuple(accept), tuple(offered)) == expected
