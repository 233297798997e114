"""The figures in the bench's README."""

from tests.bench.readme import BEGIN, END, README, figures


def test_the_readme_tells_what_was_measured() -> None:
    """The README's figures are those of the kept results of the bench, none copied by hand."""
    assert README.read_text("utf-8").partition(BEGIN)[2].partition(END)[0] == figures()
