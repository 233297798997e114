"""The pages for people, in a real browser: read, authorise, try; nothing from elsewhere, no
complaint on the console.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from service.auth.tokens import sign
from tests.browser import launched
from tests.conftest import SECRET
from tests.contract.conftest import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZES = {"wide": (1280, 1000), "phone": (390, 844)}


class Watched:
    """A page, with every complaint it made and every address it asked."""

    def __init__(self, page: Page, width: int) -> None:
        self.page = page
        self.width = width
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text)
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The system's browser, started once."""
    async with launched() as browser:
        yield browser


@pytest_asyncio.fixture(params=SIZES, loop_scope="module")
async def watched(request: pytest.FixtureRequest, browser: Browser) -> AsyncIterator[Watched]:
    """A page of each size, in a context of its own: no cookies, no storage, no cache of another."""
    width, height = SIZES[request.param]
    async with await browser.new_context(viewport={"width": width, "height": height}) as context:
        yield Watched(await context.new_page(), width)


async def shoot(page: Page, name: str) -> None:
    """A screenshot for people to look at, where SCREENSHOTS says."""
    if folder := os.environ.get("SCREENSHOTS"):
        width = (page.viewport_size or {"width": 0})["width"]
        await page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=False)


async def fits(page: Page) -> bool:
    """Whether nothing makes the page itself scroll sideways."""
    return bool(
        await page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


async def execute(page: Page, operation: str, **fields: str) -> dict[str, Any]:
    """Try an operation as the page shows it; the answer's status and body.

    It is closed again: the page renders every open one anew whenever anything changes.
    """
    block = page.locator(f"[id$='-{operation}']")
    await block.locator(".opblock-summary-control").click()
    for name, value in fields.items():
        await block.locator(f"tr[data-param-name='{name}'] input").fill(value)
    async with page.expect_response(lambda response: "/api/" in response.url) as waiting:
        await block.locator("button.execute").click()
    response = await waiting.value
    await block.locator(".live-responses-table").wait_for()
    await shoot(page, operation)
    assert await fits(page)
    await block.locator(".opblock-summary-control").click()
    return {
        "status": response.status,
        "body": await response.json() if response.status != 204 else None,
    }


async def try_the_rest(page: Page, task: dict[str, Any]) -> None:
    """Read, change and delete the task, and ask who that is."""
    id = task["id"]
    assert (await execute(page, "get_task", task_id=id))["body"] == task
    changed = await execute(page, "patch_task", task_id=id)
    assert (changed["status"], changed["body"]["completed"]) == (200, True)
    assert (await execute(page, "delete_task", task_id=id))["status"] == 204
    assert (await execute(page, "get_session"))["body"]["user_id"] == "alice"


async def test_the_docs_page_tries_every_operation_without_complaint(
    served: Served, watched: Watched
) -> None:
    """The page opens, takes the token once, creates, lists, changes and deletes a task with its own
    examples; no complaint. A phone has the first two: a body's form and a query's, and an answer.
    """
    page = watched.page
    await page.goto(f"{served.url}/docs")
    await page.locator(".opblock").first.wait_for()
    await shoot(page, "docs")
    assert await fits(page)
    await page.locator("button.authorize").first.click()
    await page.locator(".auth-container input").fill(
        sign(SECRET, "alice", ttl=600, email="alice@example.com")
    )
    await shoot(page, "authorize")
    await page.locator(".auth-btn-wrapper button.authorize").click()
    await page.locator(".auth-btn-wrapper button.btn-done").click()

    created = await execute(page, "create_task")
    assert (created["status"], created["body"]["title"]) == (201, "Buy milk")
    listed = await execute(page, "list_tasks")
    assert (listed["status"], created["body"] in listed["body"]["items"]) == (200, True)
    if watched.width == max(width for width, _ in SIZES.values()):
        await try_the_rest(page, created["body"])
    assert watched.complaints == []
    assert [
        url for url in watched.asked if not url.startswith((served.url, "data:", "blob:"))
    ] == []
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_without_swagger_ui_the_page_says_how_to_install_it(
    served: Served, watched: Watched
) -> None:
    """Without Swagger UI's files the page says how to install them."""
    page = watched.page
    await page.route("**/swagger-ui*", lambda route: route.fulfill(status=404))
    await page.goto(f"{served.url}/docs")
    await page.get_by_text("pip install --no-deps fastapi-swagger").wait_for()
    await shoot(page, "missing")
    assert await fits(page)


async def test_problem_pages_open_fit_and_log_nothing(served: Served, watched: Watched) -> None:
    """The pages of the problem types open, fit the window and log no complaint."""
    for path in ("/problems", "/problems/invalid"):
        await watched.page.goto(served.url + path)
        await shoot(watched.page, path.strip("/").replace("/", "-"))
        assert await watched.page.locator("h1").inner_text()
        assert await fits(watched.page)
    assert watched.complaints == []
