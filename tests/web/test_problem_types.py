"""The pages at problems' types."""

import httpx
import pytest

from service.web.problem import kinds


@pytest.mark.parametrize("slug", sorted(kinds()))
async def test_each_problems_type_has_a_page(client: httpx.AsyncClient, slug: str) -> None:
    """The URI in `type` leads to a page that explains it."""
    response = await client.get(f"/problems/{slug}")
    assert response.status_code == 200
    assert response.text.startswith(kinds()[slug].title)
    assert len(response.text.splitlines()) >= 3


async def test_an_unknown_problem_is_404(client: httpx.AsyncClient) -> None:
    """There is no page for a problem that does not exist."""
    assert (await client.get("/problems/none")).status_code == 404
