"""The documentation: links work, commands exist, generated tables are current."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.settings_table import PAGE, page

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
)
TARGETS = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    """Every link to a file of the repository, and to a heading, leads there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (path.parent / name).resolve() if name else path
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_in_a_page_exists(path: Path) -> None:
    """Every `make` target that a page names exists."""
    named = re.findall(r"(?:`|^    )make ([a-z-]+)", path.read_text(), flags=re.MULTILINE)
    assert set(named) <= TARGETS


def test_the_readme_is_short() -> None:
    """The README has 200 lines at most."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_the_checklist_of_a_column_names_every_statement() -> None:
    """The checklist for a new column names each statement that spells out a task's columns."""
    checklist = (ROOT / "CONTRIBUTING.md").read_text().split("## Add a column")[1].split("\n## ")[0]
    assert set(re.findall(r"sql/[a-z/]+\.sql", checklist)) == {
        str(path.relative_to(ROOT))
        for path in (ROOT / "sql").rglob("*.sql")
        if re.search(r"\.position\b|\bposition =", path.read_text())
    }


def test_the_table_of_settings_is_up_to_date() -> None:
    """The table of settings is what their docstrings say."""
    assert PAGE.read_text() == page()
