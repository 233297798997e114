"""Send requests straight to an application, without the work of a server or a client."""

import asyncio
import json
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message

from service.auth.tokens import sign
from tests.conftest import SECRET

TOKEN = sign(SECRET, "alice", ttl=3600)


class Answer(NamedTuple):
    """What the application answered."""

    status: int
    headers: dict[str, str]
    body: Any


async def ask(
    app: ASGIApp, method: str, target: str, body: object = None, **headers: str
) -> Answer:
    """One request straight to the application, so that no client's work is counted."""
    path, _, query = target.partition("?")
    sent = b"" if body is None else json.dumps(body).encode()
    given = {"host": "service", "authorization": f"Bearer {TOKEN}", **headers}
    if sent:
        given |= {"content-type": "application/json", "content-length": str(len(sent))}
    scope = {
        "type": "http",
        "method": method,
        "http_version": "1.1",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (name.replace("_", "-").encode(), value.encode()) for name, value in given.items()
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    coming: list[Message] = [{"type": "http.request", "body": sent, "more_body": False}]
    answered: list[Message] = []

    async def receive() -> Message:
        return coming.pop() if coming else await asyncio.Future()  # the client stays

    async def send(message: Message) -> None:
        answered.append(message)

    await app(scope, receive, send)
    start, *parts = answered
    content = b"".join(part.get("body", b"") for part in parts)
    named = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], named, json.loads(content) if content else None)
