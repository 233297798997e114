"""A page that signs users up with the real Better Auth, and keeps their tasks in the service."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser import launched
from tests.commands import Running, running
from tests.conftest import as_service
from tests.npm import installed
from tests.proxies.running import free_port

HERE = Path(__file__).parent


class BetterAuth(NamedTuple):
    """A running Better Auth with its page."""

    process: subprocess.Popen[str]
    url: str

    def rotate(self) -> None:
        """Let its key's time be over."""
        self.process.send_signal(signal.SIGUSR2)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "rotated\n"


@contextlib.contextmanager
def better_auth(folder: Path, tasks: str) -> Iterator[BetterAuth]:
    """Better Auth from npm, for a task service at that URL."""
    installed(HERE, folder)
    for name in ("server.mjs", "page.html", "tasks.js"):
        shutil.copy(HERE / name, folder)
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            ["node", "server.mjs"],
            cwd=folder,
            env={**os.environ, "PORT": "0", "TASKS": tasks},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://"), (folder / "errors").read_text()
        yield BetterAuth(process, url)
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


class Site(NamedTuple):
    """Better Auth, and a task service that trusts it."""

    auth: BetterAuth
    service: Running


@pytest.fixture
def site(tmp_path: Path, database: str) -> Iterator[Site]:
    """The two, as the chapter on tokens connects them."""
    port = free_port()
    for name in ("auth", "service"):
        (tmp_path / name).mkdir()
    with (
        better_auth(tmp_path / "auth", f"http://127.0.0.1:{port}") as auth,
        running(
            "serve",
            cwd=tmp_path / "service",
            PORT=str(port),
            DATABASE_URL=as_service(database),
            JWKS_URL=f"{auth.url}/api/auth/jwks",
            JWT_ISSUER=auth.url,
            JWT_AUDIENCE=auth.url,
            CORS_ORIGINS=auth.url,
            CURSOR_SECRET="a secret for cursors, of 32 characters",
        ) as service,
    ):
        yield Site(auth, service)


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page of a fresh browser."""
    async with launched() as browser:
        yield await browser.new_page()


async def add(page: Page, title: str) -> None:
    """Add a task, and see it on the list."""
    await page.fill("#add input", title)
    await page.click("#add button")
    await expect(page.locator("#tasks li", has_text=title)).to_be_visible()


async def test_users_sign_up_keep_tasks_and_outlive_a_key_rotation(site: Site, page: Page) -> None:
    """A user signs up and has tasks on another origin's page; when Better Auth changes its key,
    tokens of the old and the new key stay valid.
    """
    await page.goto(site.auth.url)
    await page.fill("[name=name]", "Alice")
    await page.fill("[name=email]", "alice@app.example")
    await page.fill("[name=password]", "correct horse battery")
    await page.click("#sign-up button")
    await add(page, "before the rotation")
    await page.click("#add button")
    await expect(page.locator("#fault")).to_have_text("title: must not be empty")
    site.auth.rotate()
    await add(page, "with a token of the old key")
    await page.reload()  # which forgets the token
    await add(page, "with a token of the new key")
    titles = ["with a token of the new key", "with a token of the old key", "before the rotation"]
    await expect(page.locator("#tasks li")).to_have_text(titles)
    sets = [json.loads(line)["message"] for line in site.service.lines if "key set" in line]
    assert [line for line in sets if line.startswith("the key set is new")] == [
        "the key set is new; keys: 1 (1 EdDSA), passed over: 0",
        "the key set is new; keys: 2 (2 EdDSA), passed over: 0",
    ]


async def test_the_sign_up_token_is_refused_and_the_jwt_accepted(site: Site) -> None:
    """The sign-up answer holds no JWT: the log says so, and the token of the other endpoint is
    accepted.
    """
    async with httpx.AsyncClient(
        base_url=site.auth.url, headers={"Origin": site.auth.url}
    ) as client:
        account = {"name": "Bob", "email": "bob@app.example", "password": "correct horse battery"}
        signed_up = (await client.post("/api/auth/sign-up/email", json=account)).json()
        token = (await client.get("/api/auth/token")).json()["token"]
        session = f"{site.service.client.base_url}/api/v1/auth/session"
        refused = await client.get(
            session, headers={"Authorization": f"Bearer {signed_up['token']}"}
        )
        taken = await client.get(session, headers={"Authorization": f"Bearer {token}"})
    assert (refused.status_code, refused.json()["detail"]) == (401, "Invalid credentials")
    assert (taken.status_code, taken.json()["user_id"]) == (200, signed_up["user"]["id"])
    async with asyncio.timeout(5):
        while not any('"token":"form"' in line for line in site.service.lines):
            await asyncio.sleep(0.01)
