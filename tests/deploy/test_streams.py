"""Clients of streams behind a proxy, one a real browser, while replicas are replaced."""

import asyncio
import contextlib
import os
import re
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page

from service.auth.tokens import sign
from tests.browser import launched
from tests.commands import ROOT
from tests.conftest import SECRET, User
from tests.deploy.fleet import Fleet
from tests.faults.replica import listed
from tests.streams import Copy, follow
from tests.working_client import load

ROUNDS = int(os.environ.get("STREAM_ROUNDS", "1"))
"""How often both replicas are replaced; 20 restarts by `make streams`."""
GUIDE = ROOT / "service/resources/README.md"
USERS = 3

FOLLOW = """([url, token]) => {
    window.tasks = {}; window.sequences = [];
    follow(url, () => token, (change) => {
        window.sequences.push(change.sequence);
        if (change.deleted) delete window.tasks[change.id];
        else window.tasks[change.id] = change.task;
    });
}"""


def javascript() -> str:
    """The function that the guide gives to people who write for browsers."""
    (found,) = re.findall(r"```js\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    return str(found)


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[str]:
    """A front end of another origin: one empty page."""
    folder = tmp_path / "front"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>front</title>")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def page(origin: str) -> AsyncIterator[Page]:
    """That page, in the system's browser."""
    async with launched() as browser:
        page = await browser.new_page()
        await page.goto(origin)
        await page.add_script_tag(content=javascript())
        yield page


async def test_readers_get_every_change_once_while_replicas_are_replaced(
    tmp_path: Path, database: str, origin: str, page: Page
) -> None:
    """While replicas are replaced under load, a browser and other readers get every change once,
    and no request fails.
    """
    counted: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        fleet = await asyncio.to_thread(Fleet, stack, tmp_path, database, CORS_ORIGINS=origin)
        client = httpx.AsyncClient(base_url=fleet.url, timeout=20)
        users = [User(client, f"user-{number}") for number in range(USERS)]
        url = f"{fleet.url}{users[0].home}/changes/stream"
        await page.evaluate(FOLLOW, [url, sign(SECRET, users[0].id, ttl=24 * 3600)])
        copies = [Copy() for _ in users for _ in range(2)]
        following = [
            asyncio.create_task(follow(users[number // 2], copy, counted))
            for number, copy in enumerate(copies)
        ]
        stop = asyncio.Event()
        working = [asyncio.create_task(load(user, stop, counted)) for user in users]
        for _ in range(ROUNDS):
            await fleet.roll(ROOT)
        stop.set()
        made = [set(ids) for ids in await asyncio.gather(*working)]
        lists = [await listed(user) for user in users]
        async with asyncio.timeout(20):
            for number, copy in enumerate(copies):
                while copy.tasks != lists[number // 2]:
                    await asyncio.sleep(0.05)
            while await page.evaluate("window.tasks") != lists[0]:
                await asyncio.sleep(0.05)
        sequences = await page.evaluate("window.sequences")
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await client.aclose()
    # The figures of `make streams`.
    print(f"\n{2 * ROUNDS} restarts: {dict(counted)}; {len(sequences)} events in the browser")
    assert [set(tasks) for tasks in lists] == made
    assert sequences == sorted(set(sequences))
    assert counted.keys() == {"200", "201", "stream 200"}
    assert counted["stream 200"] >= len(copies) * (1 + ROUNDS)
