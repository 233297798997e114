"""The system's browser, for tests of pages."""

import contextlib
import shutil
from collections.abc import AsyncIterator

from playwright.async_api import Browser, async_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Pages here live for seconds: V8's last compiler takes more time than it saves.
    "--js-flags=--no-turbofan",
]


@contextlib.asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """A browser, until the end of the block."""
    path = shutil.which("chromium")
    assert path, "Chromium is missing; on Debian: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()
