"""HTTP clients of the tests, with a record of their responses."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from service.auth.tokens import sign
from tests.conftest import SECRET

PATIENCE = 60.0
"""Seconds after which a client calls a request hung."""


class Answer(NamedTuple):
    """What came back, after how many seconds. Status 0: the connection ended without an answer; -1:
    nothing came at all.
    """

    status: int
    headers: dict[str, str]
    body: Any
    seconds: float
    at: float = 0.0
    """When it came, on the clock of time.monotonic."""

    @property
    def unknown(self) -> bool:
        """Whether the service says that it does not know, or has said nothing."""
        return self.status <= 0 or (
            self.status == 503 and self.body["type"] == "/problems/outcome-unknown"
        )


class Client:
    """One connection after the other, one request at a time."""

    def __init__(self, address: tuple[str, int], owner: str) -> None:
        self.address = address
        self.owner = owner
        self._token = sign(SECRET, owner, ttl=3600)
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def request(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> bytes:
        """The bytes of a request."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = {
            "Host": "service",
            "Authorization": f"Bearer {self._token}",
            "Content-Length": str(len(content)),
            **(headers or {}),
        }
        if body is not None:
            lines["Content-Type"] = "application/json"
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content

    async def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request; all that can happen is an answer."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                if self._connection is None:
                    self._connection = await asyncio.open_connection(*self.address)
                reader, writer = self._connection
                writer.write(self.request(method, path, body, headers))
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                found = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                content = await reader.readexactly(int(found.get("content-length", 0)))
        except TimeoutError:
            self.close()
            return Answer(-1, {}, None, *_took(began))
        except (OSError, EOFError):
            self.close()
            return Answer(0, {}, None, *_took(began))
        if found.get("connection") == "close":
            self.close()
        return Answer(
            int(head[0].split()[1]), found, json.loads(content) if content else None, *_took(began)
        )

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection[1].transport.abort()
            self._connection = None


def _took(began: float) -> tuple[float, float]:
    now = time.monotonic()
    return now - began, now


@dataclass
class Record:
    """The responses of clients, and their contradictions."""

    answers: list[tuple[str, Answer]] = field(default_factory=list)
    lies: list[str] = field(default_factory=list)

    def statuses(self) -> Counter[int]:
        """How many answers had which status."""
        return Counter(answer.status for _, answer in self.answers)

    @property
    def unknown(self) -> int:
        """How many answers left a client in doubt."""
        return sum(answer.unknown for _, answer in self.answers)

    @property
    def longest(self) -> float:
        """Seconds of the slowest answer."""
        return max(answer.seconds for _, answer in self.answers)

    @property
    def good(self) -> float:
        """The share of answers that are 2xx."""
        return sum(answer.status // 100 == 2 for _, answer in self.answers) / len(self.answers)

    @property
    def without_retry_after(self) -> int:
        """How many 503 do not say when to come again."""
        return sum(
            answer.status == 503 and "retry-after" not in answer.headers
            for _, answer in self.answers
        )
