"""The figures in the bench's README."""

from tests.bench.readme import BEGIN, END, README, figures


def test_the_readme_has_the_benchs_results() -> None:
    """The README's figures are generated from the bench's stored results, none copied by hand."""
    assert README.read_text("utf-8").partition(BEGIN)[2].partition(END)[0] == figures()
