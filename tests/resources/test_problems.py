"""The pages behind problems' types."""

import re

import httpx

from service.web.problem import kinds

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def test_browsers_get_a_page_about_each_problem(client: httpx.AsyncClient) -> None:
    """A browser gets a page that says what the problem means, what to do, and how it looks; it
    loads nothing from elsewhere.
    """
    for slug, kind in kinds().items():
        response = await client.get(f"/problems/{slug}", headers=BROWSER)
        assert response.status_code == 200, slug
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        for heading in ("What it means", "What to do", "What it looks like"):
            assert f"<h2>{heading}</h2>" in response.text, slug
        assert kind.title in response.text
        assert not re.search(r'(?:src|href)="(?!/|data:,)', response.text), slug
        assert "`" not in response.text, slug


async def test_terminals_get_a_text_about_each_problem(client: httpx.AsyncClient) -> None:
    """The URI in `type` leads to a text that explains it."""
    for slug, kind in kinds().items():
        response = await client.get(f"/problems/{slug}")
        assert response.status_code == 200, slug
        assert response.text.startswith(kind.title)
        assert len(response.text.splitlines()) >= 3, slug


async def test_an_unknown_problem_is_404(client: httpx.AsyncClient) -> None:
    """There is no page for a problem that does not exist."""
    assert (await client.get("/problems/none")).status_code == 404


async def test_all_problems_are_listed_with_working_links(client: httpx.AsyncClient) -> None:
    """There is a list of all problems, for people and for terminals, and each link in it leads
    somewhere.
    """
    page = await client.get("/problems", headers=BROWSER)
    listed = set(re.findall(r'href="(/problems/[\w-]+)"', page.text))
    assert listed == {f"/problems/{slug}" for slug in kinds()}
    text = await client.get("/problems")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert all(path in text.text for path in listed)
    assert {(await client.get(path)).status_code for path in listed} == {200}
