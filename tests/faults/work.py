"""Clients that work on tasks of their own, and know the possible states of each."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from uuid import uuid4

from tests.faults.clients import Answer, Client, Record

State = tuple[str, bool, int] | None
"""A task as it may be: title, completed, version (-1: any); None: it is not there."""

SETTLED = 5.0
"""Seconds after which a write of unknown outcome has been made or never will be: the server may
still be making it when the connection is gone, even after the next read.
"""


class Worker:
    """One client at its own tasks: creates, puts, patches, deletes, reads, lists, with keys and
    without.

    For each task it keeps what may be true of it. An answer that says what is not among that is a
    lie.
    """

    def __init__(self, client: Client, record: Record, seed: int) -> None:
        self.client = client
        self.record = record
        self.dice = random.Random(seed)
        self.tasks: dict[str, set[State]] = {}
        self.marks: dict[str, str] = {}
        """By id, the description that a task keeps all its life."""
        self.undecided: dict[str, float] = {}
        """By id, until when a write of unknown outcome may still be made."""
        self.perhaps: set[str] = set()
        """Marks of tasks that may have been created, under an unknown id."""
        self.home = f"/api/v1/users/{client.owner}/tasks"
        self.number = 0

    async def work(self, until: asyncio.Event) -> None:
        """One request after the other, until the event."""
        while not until.is_set():
            kinds = [self.create, self.put, self.look_around]
            if self.there():
                kinds += [self.patch, self.patch, self.replace, self.delete, self.read, self.read]
            await self.dice.choice(kinds)()

    async def call(
        self, what: str, method: str, path: str, body: object = None, **headers: str
    ) -> Answer:
        """Send a request and write down its answer; with a key again and again while its outcome is
        open.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        while True:
            answer = await self.client.call(method, self.home + path, body, named)
            self.record.answers.append((what, answer))
            if answer.status not in {200, 201, 204, 404}:
                # Retry-After is a second, which would be little of a load
                await asyncio.sleep(0.05)
            if "Idempotency-Key" not in named or not (
                answer.unknown or answer.status in {409, 503, 504}
            ):
                return answer

    def lie(self, what: str, answer: Answer) -> None:
        """Note an answer that cannot be true."""
        self.record.lies.append(f"{self.client.owner} {what}: {answer.status} {answer.body}")

    def mark(self) -> str:
        """A text that stands nowhere else."""
        self.number += 1
        return f"{self.client.owner} {id(self):x} {self.number}"

    def key(self) -> dict[str, str]:
        """A key for every other request."""
        return {"Idempotency-Key": str(uuid4())} if self.dice.random() < 0.5 else {}

    def there(self) -> list[str]:
        """The tasks that may be there, without those that an earlier write may still change."""
        now = time.monotonic()
        return [
            identity
            for identity, states in self.tasks.items()
            if states != {None} and self.undecided.get(identity, 0) < now
        ][-50:]

    def any_task(self) -> tuple[str, set[State]]:
        """One of the tasks, and what may be true of it."""
        identity = self.dice.choice(self.there())
        return identity, self.tasks[identity]

    async def create(self) -> None:
        """A new task where the service likes."""
        mark = self.mark()
        answer = await self.call(
            "create", "POST", "", {"title": mark, "description": mark}, **self.key()
        )
        if answer.status == 201:
            self.marks[answer.body["id"]] = mark
            self.tasks[answer.body["id"]] = {(mark, False, answer.body["version"])}
        elif answer.unknown:
            self.perhaps.add(mark)
        elif answer.status not in {503, 504}:
            self.lie("create", answer)

    async def put(self) -> None:
        """A new task at an id of our own."""
        identity = str(uuid4())
        self.marks[identity], self.tasks[identity] = self.mark(), {None}
        await self._put("put", identity)

    async def replace(self) -> None:
        """All of a task anew."""
        await self._put("replace", self.any_task()[0])

    async def _put(self, what: str, identity: str) -> None:
        states, title, done = self.tasks[identity], self.mark(), self.dice.random() < 0.5
        body = {"title": title, "description": self.marks[identity], "completed": done}
        answer = await self.call(what, "PUT", f"/{identity}", body)
        # A task that is put where one was deleted has a version that is not foreseen: -1.
        made: set[State] = {
            (title, done, state[2] + 1 if state and state[2] >= 0 else -1) for state in states
        }
        if answer.status in {200, 201}:
            if not any((state is None) == (answer.status == 201) for state in states):
                self.lie(what, answer)
            self._collapse(what, identity, made, answer)
        elif answer.unknown:
            self._leave_undecided(identity, states | made)
        elif answer.status not in {503, 504}:
            self.lie(what, answer)

    async def patch(self) -> None:
        """Another title."""
        identity, states = self.any_task()
        title = self.mark()
        answer = await self.call("patch", "PATCH", f"/{identity}", {"title": title}, **self.key())
        made: set[State] = {
            (title, state[1], state[2] + 1 if state[2] >= 0 else -1) for state in states if state
        }
        if answer.status == 200:
            self._collapse("patch", identity, made, answer)
        elif answer.status == 404 and None in states:
            self.tasks[identity] = {None}
        elif answer.unknown:
            self._leave_undecided(identity, states | made)
        elif answer.status not in {503, 504}:
            self.lie("patch", answer)

    async def delete(self) -> None:
        """No task any more."""
        identity, states = self.any_task()
        answer = await self.call("delete", "DELETE", f"/{identity}")
        if answer.status == 204:
            if states == {None}:
                self.lie("delete", answer)
            self.tasks[identity] = {None}
        elif answer.status == 404 and None in states:
            self.tasks[identity] = {None}
        elif answer.unknown:
            self._leave_undecided(identity, states | {None})
        elif answer.status not in {503, 504}:
            self.lie("delete", answer)

    async def read(self) -> None:
        """A task as it is."""
        identity, states = self.any_task()
        answer = await self.call("read", "GET", f"/{identity}")
        if answer.status == 200:
            self._collapse("read", identity, states, answer)
        elif answer.status == 404 and None in states:
            self.tasks[identity] = {None}
        elif answer.status not in {503, 504, 0}:
            self.lie("read", answer)

    async def look_around(self) -> None:
        """The newest tasks: the owner's, and no others."""
        answer = await self.call("list", "GET", "?limit=50")
        if answer.status == 200:
            for item in answer.body["items"]:
                if item["owner_id"] != self.client.owner or not item["description"].startswith(
                    f"{self.client.owner} "
                ):
                    self.lie("list", answer)
        elif answer.status not in {503, 504, 0}:
            self.lie("list", answer)

    def _leave_undecided(self, identity: str, states: set[State]) -> None:
        self.tasks[identity], self.undecided[identity] = states, time.monotonic() + SETTLED

    def _collapse(self, what: str, identity: str, states: set[State], answer: Answer) -> None:
        body = answer.body
        told = body["title"], body["completed"], body["version"]
        if not possible(told, states):
            self.lie(f"{what} of {states}", answer)
        if body["owner_id"] != self.client.owner or body["description"] != self.marks[identity]:
            self.lie(what, answer)
        self.tasks[identity] = {told}


@dataclass
class Crowd:
    """Run several clients of several owners for the `with` block."""

    workers: list[Worker]
    record: Record = field(default_factory=Record)
    _end: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    def of(cls, address: tuple[str, int], owners: Iterable[str], each: int, seed: int) -> "Crowd":
        """`each`: how many clients an owner has."""
        record = Record()
        clients = [Client(address, owner) for owner in owners for _ in range(each)]
        return cls(
            [Worker(client, record, seed + number) for number, client in enumerate(clients)], record
        )

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(worker.work(self._end)) for worker in self.workers]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._end.set()
        await asyncio.gather(*self._tasks)
        for worker in self.workers:
            worker.client.close()


class Verdict(NamedTuple):
    """Compare the database with the responses that clients got."""

    lost: int
    """Tasks that are not as they may be: acknowledged and not there, or denied and there."""
    duplicates: int
    """Tasks that are there more than once."""
    strange: int
    """Tasks that no client created, or that belong to another owner."""


def judge(workers: list[Worker], rows: Iterable[tuple[str, str, str, bool, int, str]]) -> Verdict:
    """Hold what clients know against all rows: owner, id, title, completed, version,
    description.
    """
    found: dict[tuple[str, str], State] = {}
    marks: Counter[tuple[str, str]] = Counter()
    for owner, identity, title, completed, version, mark in rows:
        found[owner, identity] = (title, completed, version)
        marks[owner, mark] += 1
    known = {
        (worker.client.owner, identity): states
        for worker in workers
        for identity, states in worker.tasks.items()
    }
    lost = sum(not possible(found.get(place), states) for place, states in known.items())
    perhaps = sum(
        (worker.client.owner, mark) in marks for worker in workers for mark in worker.perhaps
    )
    strange = sum(place not in known for place in found) - perhaps
    return Verdict(lost, sum(count > 1 for count in marks.values()), strange)


def possible(there: State, states: set[State]) -> bool:
    """Return whether a task may have this state."""
    return there in states or (there is not None and (*there[:2], -1) in states)
