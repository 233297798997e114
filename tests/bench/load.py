"""The load: files of requests, and wrk, which sends them."""

import http.client
import json
import random
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from service.auth.tokens import sign

from .contestants import SECRET, Server
from .fill import OWNERS, QUIET, TASKS_EACH, owner_id, task_id
from .processes import Backends, cpu, family, resident, settle

HERE = Path(__file__).parent
WRITTEN = OWNERS - QUIET
SAMPLE = 4000
"""Requests in a file, among which wrk picks at random."""


@dataclass(frozen=True)
class Workload:
    """The kinds of requests to send, with their weights."""

    name: str
    title: str
    kinds: dict[str, int]
    everybody: bool = True
    """Not: only this service has it."""


WORKLOADS = (
    Workload("get", "get one", {"get": 1}),
    Workload("list", "list 50", {"list": 1}),
    Workload("session", "session", {"session": 1}),
    Workload("unchanged", "list, not changed (304)", {"unchanged": 1}, everybody=False),
    Workload("nothing", "delta sync of nothing", {"nothing": 1}, everybody=False),
    Workload("create", "create", {"create": 1}),
    Workload("patch", "patch", {"patch": 1}),
    Workload("delete", "delete", {"delete": 1}),
    Workload("mixed", "mixed 80/20", {"get": 60, "list": 20, "create": 10, "patch": 10}),
)


@dataclass(frozen=True)
class Crowd:
    """Owners and their tasks: the task `first + k * owners + o` is the k-th of owner `o`, who has
    `each` of them.
    """

    owners: int
    each: int
    written: Sequence[int]
    """The owners that are written to."""
    quiet: Sequence[int]
    """Those that never are: what they have read once stays true."""
    first: int = 0

    def task(self, owner: int, pick: random.Random) -> str:
        """Return the id of one of the owner's tasks."""
        return task_id(self.first + pick.randrange(self.each) * self.owners + owner)


EVERYBODY = Crowd(OWNERS, TASKS_EACH, range(WRITTEN), range(WRITTEN, OWNERS))


@dataclass
class Requests:
    """The files of requests in `folder`."""

    folder: Path
    crowd: Crowd = EVERYBODY
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of an answer of the service's, once `know` has seen it."""

    def __post_init__(self) -> None:
        self.readers = [*self.crowd.written, *self.crowd.quiet]
        self.tokens = {owner: sign(SECRET, owner_id(owner), ttl=7200) for owner in self.readers}

    def write(self) -> None:
        """Write the files that are the same for every contestant and every run."""
        pick = random.Random(1)
        read, written = (
            pick.choices(owners, k=SAMPLE) for owners in (self.readers, self.crowd.written)
        )
        new = json.dumps(
            {"title": "Buy milk and bread", "description": "Two litres, the one with the blue cap"}
        )
        changes = [
            json.dumps(change)
            for change in (
                {"completed": True},
                {"completed": False},
                {"title": "Buy bread and milk"},
            )
        ]
        self._file(
            "get", [self._line("GET", owner, f"/{self.crowd.task(owner, pick)}") for owner in read]
        )
        self._file("list", [self._line("GET", owner, "?limit=50") for owner in self.readers])
        self._file(
            "session",
            [
                f"GET\t/api/v1/auth/session\t\tAuthorization=Bearer {token}"
                for token in self.tokens.values()
            ],
        )
        self._file("create", [self._line("POST", owner, body=new) for owner in written])
        self._file(
            "patch",
            [
                self._line("PATCH", owner, f"/{self.crowd.task(owner, pick)}", pick.choice(changes))
                for owner in written
            ],
        )

    def supply(self, first: int, count: int) -> None:
        """Write deletes of tasks that exist, each once: numbers from `first` on, in turn of the
        owners that are written to.
        """
        written = len(self.crowd.written)
        self._file(
            "delete",
            [
                self._line("DELETE", n % written, f"/{task_id(n)}")
                for n in range(first, first + count)
            ],
        )

    def know(self, server: Server) -> None:
        """Write conditional requests of the quiet owners, with the list's ETag and the feed's end
        of earlier answers.
        """
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        unchanged, nothing = [], []
        for owner in self.crowd.quiet:
            headers = {"Authorization": f"Bearer {self.tokens[owner]}"}
            tasks, tag, self.sizes["list"] = _ask(connection, f"{_tasks(owner)}?limit=50", headers)
            _, _, self.sizes["get"] = _ask(
                connection, f"{_tasks(owner)}/{tasks['items'][0]['id']}", headers
            )
            unchanged.append(f"{self._line('GET', owner, '?limit=50')}\tIf-None-Match={tag}")
            changes, page = f"/api/v1/users/{owner_id(owner)}/changes", {"next": "", "more": True}
            while page["more"]:
                page, _, _ = _ask(
                    connection,
                    f"{changes}?limit=500" + (f"&since={page['next']}" if page["next"] else ""),
                    headers,
                )
            nothing.append(
                f"GET\t{changes}?since={page['next']}\t\tAuthorization=Bearer {self.tokens[owner]}"
            )
        session = {"Authorization": f"Bearer {self.tokens[self.readers[0]]}"}
        _, _, self.sizes["session"] = _ask(connection, "/api/v1/auth/session", session)
        connection.close()
        self._file("unchanged", unchanged)
        self._file("nothing", nothing)

    def compare(self, servers: Sequence[Server]) -> None:
        """Raise RuntimeError unless all servers answer a request alike, so that they do the same
        work.
        """
        owner = self.readers[0]
        told = []
        for server in servers:
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            page, _, _ = _ask(
                connection,
                f"{_tasks(owner)}?limit=50",
                {"Authorization": f"Bearer {self.tokens[owner]}"},
            )
            told.append({"total": page["total"], "items": [_plain(task) for task in page["items"]]})
            connection.close()
        if any(each != told[0] for each in told):
            raise RuntimeError(f"the contestants disagree: {told}")

    def _line(self, method: str, owner: int, path: str = "", body: str = "") -> str:
        kind = "\tContent-Type=application/json" if body else ""
        return (
            f"{method}\t{_tasks(owner)}{path}\t{body}\tAuthorization=Bearer"
            f" {self.tokens[owner]}{kind}"
        )

    def _file(self, kind: str, lines: Iterable[str]) -> None:
        (self.folder / kind).write_text("\n".join(lines) + "\n")


def _tasks(owner: int) -> str:
    return f"/api/v1/users/{owner_id(owner)}/tasks"


def _plain(task: dict[str, Any]) -> dict[str, Any]:
    """Return the members of an answer that all contestants have."""
    times = {name: datetime.fromisoformat(task[name]) for name in ("created_at", "updated_at")}
    return {
        name: task[name] for name in ("id", "owner_id", "title", "description", "completed")
    } | times


def _ask(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str]
) -> tuple[Any, str | None, int]:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:300]!r}")
    return json.loads(body), answer.getheader("ETag"), len(body)


def run(
    server: Server,
    postmaster: int,
    workload: Workload,
    folder: Path,
    connections: int,
    seconds: int,
) -> dict[str, Any]:
    """Put the load on the server; return its cost, in microseconds of CPU a request.

    When wrk stops, each connection still has a request on its way: it counts, for its work does.
    """
    mode = "once" if workload.name == "delete" else "random"
    files = [f"{folder / kind}:{weight}" for kind, weight in workload.kinds.items()]
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "30s",
        "-s",
        str(HERE / "load.lua"),
        server.url,
    ]
    processes = family(server.pid)
    with Backends(postmaster, server.database) as backends:
        before = cpu(processes)
        output = subprocess.run(
            [*command, "--", str(seconds), mode, *files],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 60,
        ).stdout
        settle(server.pid)
        used = cpu(processes) - before
    seen: dict[str, Any] = json.loads(output.splitlines()[-1])
    if seen["refused"] or seen["broken"]:
        raise RuntimeError(
            f"{server.name}, {workload.name}, {connections} connections: not all was answered well:"
            f" {seen}"
        )
    done = seen["requests"] + connections
    return {
        "contestant": server.name,
        "workload": workload.name,
        "connections": connections,
        "requests": seen["requests"],
        "rate": round(seen["requests"] / seen["seconds"], 1),
        "p50": seen["p50"],
        "p99": seen["p99"],
        "cpu": round(used / done * 1e6, 2),
        "database": round(backends.seconds / done * 1e6, 2),
        "resident": round(resident(processes), 1),
    }
