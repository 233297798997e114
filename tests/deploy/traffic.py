"""Users who work while replicas and schemas change, with a record of acknowledged writes."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import httpx

from tests.conftest import User
from tests.working_client import PAUSE

Task = tuple[str, bool]
"""Title and whether it is completed."""


class Traffic:
    """The requests of several users, one after the other for each, and what every answer has
    acknowledged.
    """

    def __init__(self, url: str, users: int) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self.promised: dict[tuple[str, str], Task | None] = {}
        """By owner and id: what must be in the database; None where the task was deleted."""
        self._url = url
        self._stop = asyncio.Event()
        self._users = [asyncio.create_task(self._work(f"user-{number}")) for number in range(users)]

    async def end(self) -> None:
        """Let all clients finish their current request."""
        self._stop.set()
        await asyncio.gather(*self._users)

    async def lost(self, connection: asyncpg.Connection) -> dict[tuple[str, str], Any]:
        """Return the differences between acknowledged writes and the database."""
        rows = await connection.fetch(
            "SELECT owner_id, id, title, completed FROM tasks WHERE deleted_at IS NULL"
        )
        there = {
            (row["owner_id"], str(row["id"])): (row["title"], row["completed"]) for row in rows
        }
        return {
            key: (self.promised.get(key), there.get(key))
            for key in self.promised.keys() | there.keys()
            if self.promised.get(key) != there.get(key)
        }

    async def _work(self, owner: str) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=20, verify=False) as client:
            user, number = User(client, owner), 0
            while not self._stop.is_set():
                number += 1
                made = await self._ask(user, 201, "POST", json={"title": f"number {number}"})
                if made is None:
                    continue
                key, path = (owner, made["id"]), f"/{made['id']}"
                self.promised[key] = (made["title"], False)
                if await self._ask(user, 200, "PATCH", path, json={"completed": True}):
                    self.promised[key] = (made["title"], True)
                read = await self._ask(user, 200, "GET", path)
                if read is not None and (read["title"], read["completed"]) != self.promised[key]:
                    self.failures.append(f"GET: {read}")
                await self._ask(user, 200, "GET", params={"limit": 5})
                if number % 5 == 0 and await self._ask(user, 204, "DELETE", path) is not None:
                    self.promised[key] = None

    async def _ask(
        self, user: User, expected: int, method: str, path: str = "", **options: Any
    ) -> dict[str, Any] | None:
        """The answer's body; None, and a failure on record, for any other status than the one
        expected.
        """
        await asyncio.sleep(PAUSE)
        try:
            answer = await user.call(method, path, **options)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            self.failures.append(f"{method}: {type(error).__name__}")
            return None
        self.answers[str(answer.status_code)] += 1
        if answer.status_code != expected:
            self.failures.append(f"{method}: {answer.status_code} {answer.text}")
            return None
        body: dict[str, Any] = answer.json() if answer.content else {}
        return body
