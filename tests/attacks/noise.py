"""Noise for the soak: all that the attack tables and crowds have, in random order."""

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from threading import Thread

from service.auth.tokens import sign
from tests.attacks.crowds import Address, dripping, holding, reconnecting, reset
from tests.attacks.framing import REFUSED
from tests.attacks.inputs import BODIES, PATHS, QUERIES, TASKS
from tests.attacks.judge import SESSION
from tests.auth.forgeries import ROWS
from tests.conftest import SECRET

ATTACKERS = 3
"""Kinds of noise at once."""
DOCUMENT = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def head(user: str, method: str, path: str, *lines: str) -> bytes:
    """The head of a request, with a token of that user's."""
    token = sign(SECRET, user, ttl=3600)
    first = (f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}")
    return "\r\n".join((*first, *lines, "", "")).encode()


def bytes_of_tables() -> Iterator[bytes]:
    """What the attack tables send, in random order."""
    while True:
        yield random.choice([*REFUSED.values()])[1]
        for _ in range(2):
            forged = random.choice([*ROWS.values()])
            yield f"GET {SESSION} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ".encode() + (
                forged + b"\r\n\r\n"
            )
        body = random.choice([*BODIES.values()])[1]
        json_of = ("Content-Type: application/json", f"Content-Length: {len(body)}")
        yield head("mallory", "POST", TASKS.replace("alice", "mallory"), *json_of) + body
        yield head("mallory", "GET", random.choice([*PATHS]))
        yield head("mallory", "GET", f"{TASKS}?{random.choice([*QUERIES])}")


@dataclass
class Site:
    """Where the noise goes to."""

    service: Address
    probes: Address
    metrics: Address


def noise(site: Site, stop: Event) -> None:
    """Make noise of a few kinds at once until it is stopped."""
    page = head("mallory", "GET", "/api/v1/users/mallory/tasks?limit=100")
    last = head("mallory", "GET", "/api/v1/users/mallory/tasks", "Connection: close")
    stream = head("mallory", "GET", "/api/v1/users/mallory/changes/stream")
    unfinished = [
        head(user, "POST", f"/api/v1/users/{user}/tasks", "Content-Length: 60000")
        for user in ("mallory", "oscar", "trudy", "eve")
    ]
    table = bytes_of_tables()

    def rows(source: str) -> AbstractContextManager[object]:
        return holding(site.service, 40, *itertools.islice(table, 40), source=source)

    def vanishing(source: str) -> AbstractContextManager[object]:
        for each in (page, DOCUMENT, unfinished[0]):
            reset(site.service, 20, each, source=source)
        return contextlib.nullcontext()

    kinds: list[Callable[[str], AbstractContextManager[object]]] = [
        rows,
        vanishing,
        lambda source: holding(site.service, 150, DOCUMENT, source=source),
        lambda source: holding(site.service, 150, DOCUMENT * 2, source=source),
        lambda source: holding(site.service, 150, page, source=source),
        lambda source: holding(site.service, 50, page * 20, source=source),
        lambda source: holding(site.service, 150, *unfinished, source=source),
        lambda source: holding(site.service, 30, stream, source=source),
        lambda source: holding(site.service, 300, b"", source=source),
        lambda source: dripping(site.service, 50, source=source),
        lambda source: dripping(site.service, 50, unfinished[0] + b"{", source=source),
        lambda source: dripping(site.probes, 20, source=source),
        lambda source: dripping(site.metrics, 20, source=source),
        lambda source: reconnecting(site.service, 20, last, source=source),
    ]

    def attack() -> None:
        while not stop.is_set():
            source = f"127.0.{random.randint(1, 250)}.{random.randint(1, 250)}"
            with random.choice(kinds)(source):
                stop.wait(random.uniform(0.5, 4))

    attackers = [Thread(target=attack) for _ in range(ATTACKERS)]
    for each in attackers:
        each.start()
    for each in attackers:
        each.join()
