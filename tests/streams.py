"""Clients of streams: at the application, and of text over a wire."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

import httpx
from starlette.types import ASGIApp, Message

from service.web.exchange import CONNECTION
from tests.conftest import User


@dataclass
class Event:
    """A block of a stream (WHATWG HTML, section 9.2.6): each field that it has."""

    id: str | None = None
    event: str | None = None
    data: Any = None
    retry: int | None = None


_READ: dict[str, Callable[[str], Any]] = {
    "id": str,
    "event": str,
    "data": json.loads,
    "retry": int,
}


class Parser:
    """Blocks out of the bytes of a stream, however they are cut into pieces."""

    def __init__(self) -> None:
        self._rest = b""
        self.comments = 0

    def feed(self, content: bytes) -> list[Event]:
        """The blocks that are complete now. A comment alone is counted, and is none."""
        *blocks, self._rest = (self._rest + content).split(b"\n\n")
        return [event for block in blocks if (event := self._block(block.decode())) is not None]

    def _block(self, block: str) -> Event | None:
        event = Event()
        for line in block.split("\n"):
            name, colon, value = line.partition(":")
            assert colon, line
            if not name:
                self.comments += 1
                continue
            value = value.removeprefix(" ")
            assert getattr(event, name) is None, "a field stands once"
            setattr(event, name, _READ[name](value))
        return None if event == Event() else event


class Copy:
    """What a client knows that follows a stream. `forgotten`: how often it had to start again."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.last: str | None = None
        self.sequences: list[int] = []
        self.forgotten = 0

    @property
    def headers(self) -> dict[str, str]:
        """What leads behind the last event."""
        return {} if self.last is None else {"Last-Event-ID": self.last}

    def apply(self, event: Event) -> None:
        """Take a block in."""
        self.last = event.id or self.last
        if event.data is None:
            return
        self.sequences.append(event.data["sequence"])
        if event.data["deleted"]:
            self.tasks.pop(event.data["id"], None)
        else:
            self.tasks[event.data["id"]] = event.data["task"]
        assert self.sequences == sorted(set(self.sequences)), "an event came twice, or late"

    def forget(self) -> None:
        """Start again."""
        self.tasks, self.last, self.sequences = {}, None, []
        self.forgotten += 1


async def follow(user: User, copy: Copy, counted: Counter[str]) -> None:
    """Keep a copy over HTTP until cancelled. Streams are counted by status, and those that broke
    off by their fault.
    """
    while True:
        wait = 1000
        headers = {**user.headers, **copy.headers}
        opening = user.client.stream("GET", f"{user.home}/changes/stream", headers=headers)
        try:
            async with opening as response:
                counted[f"stream {response.status_code}"] += 1
                if response.status_code == 410:
                    copy.forget()
                parser = Parser()
                async for content in response.aiter_bytes():
                    for event in parser.feed(content):
                        copy.apply(event)
                        wait = event.retry or wait
        except httpx.TransportError as error:
            counted[f"stream {type(error).__name__}"] += 1
        await asyncio.sleep(wait / 1000)


@dataclass
class Reader:
    """One connection to a stream, without a server between."""

    app: ASGIApp
    user: User
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "GET"

    def __post_init__(self) -> None:
        self.status = 0
        self.answer: dict[str, str] = {}
        self.body = b""
        self.pieces: list[int] = []
        self.events: list[Event] = []
        self.parser = Parser()
        self.complete = False
        self.reads = asyncio.Event()
        """Cleared, the client does not read: sending waits."""
        self.reads.set()
        self._gone = asyncio.Event()
        self._news = asyncio.Event()
        self._asked = self._sending = False
        self.task = asyncio.ensure_future(self.app(self._scope(), self._receive, self._send))
        self.task.add_done_callback(lambda _: self._news.set())

    def _scope(self) -> dict[str, Any]:
        headers = {**self.user.headers, **self.headers}
        path = f"{self.user.home}/changes/stream"
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": urlencode(self.query).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 12345),
            "server": ("service", 80),
            CONNECTION: self,
        }

    @property
    def unread(self) -> bool:
        """Whether there is something that the client has not taken."""
        return self._sending

    def when_taken(self, callback: Callable[[], object]) -> None:
        """Return at once: nothing waits here."""
        raise NotImplementedError

    def go_on(self, stopping: Callable[[], object]) -> None:
        """Keep what is to be called when the server stops."""
        self.stop = stopping

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.answer = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self._sending = True
        waiting = [
            asyncio.ensure_future(self.reads.wait()),
            asyncio.ensure_future(self._gone.wait()),
        ]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()
        if self._gone.is_set():
            return
        self._sending = False
        self.pieces.append(len(message["body"]))
        self.body += message["body"]
        self.events += self.parser.feed(message["body"]) if self.status == 200 else []
        self.complete = not message.get("more_body", False)
        self._news.set()

    async def until(self, what: Any) -> None:
        """Wait until a condition holds, or the answer is over."""
        async with asyncio.timeout(20):
            while not (what() or self.task.done()):
                self._news.clear()
                await self._news.wait()
        if self.task.done():
            await self.task
        assert what(), (self.status, self.body[-1000:])

    async def next(self, count: int = 1) -> list[Event]:
        """The next events, which are taken out."""
        await self.until(lambda: len(self.changes) >= count)
        taken = self.changes[:count]
        self.events = self.events[self.events.index(taken[-1]) + 1 :]
        return taken

    @property
    def changes(self) -> list[Event]:
        """The events with changes."""
        return [event for event in self.events if event.event is not None]

    async def ended(self) -> None:
        """Wait until the answer is over."""
        async with asyncio.timeout(20):
            await self.task

    async def cut(self) -> None:
        """Go away."""
        self._gone.set()
        await self.ended()


async def feed(user: User, **query: Any) -> dict[str, Any]:
    response = await user.call("GET", f"{user.home}/changes", params=query)
    assert response.status_code == 200, response.text
    page: dict[str, Any] = response.json()
    return page
