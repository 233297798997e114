"""Clients that ask and do not read, or do not finish: what that costs the process, and others."""

import json
import time

import pytest

from service.auth.tokens import sign
from tests.attacks.conftest import Target
from tests.attacks.crowds import holding
from tests.attacks.judge import LARGEST, request
from tests.conftest import SECRET

CONNECTIONS = 790
TASKS = "/api/v1/users/carol/tasks"
LONGEST = json.dumps({"title": "\U0001f600" * 255, "description": "\U0001f600" * 2000})


@pytest.fixture(scope="module")
def pages(target: Target) -> bytes:
    """The request for the largest page that there can be."""
    carol = sign(SECRET, "carol", ttl=3600)
    for _ in range(40):
        made = request(target, "POST", TASKS, token=carol, body=LONGEST.encode(), last=True)
        assert target.send(made).statuses == [201]
    return request(target, path=f"{TASKS}?limit=100", token=carol)


@pytest.mark.parametrize(
    "row",
    [
        "a document",
        "two documents",
        "a page",
        "pipelined pages",
        "half a body",
        "bodies that never come, of four users",
    ],
)
def test_clients_that_do_not_read_take_little_memory_and_delay_nobody(
    target: Target, pages: bytes, row: str
) -> None:
    """Whatever hundreds of clients leave unread or unfinished, the process hardly grows, and other
    clients are answered meanwhile.
    """
    document = request(target, path="/docs/swagger-ui-bundle.js", token=b"")
    each = {
        "a document": [document],
        "two documents": [document * 2],
        "a page": [pages],
        "pipelined pages": [pages * 50],
        "half a body": [request(target, "POST", token=b"", body=b"a" * 60_000)[:-1]],
        "bodies that never come, of four users": [
            request(
                target,
                "POST",
                f"/api/v1/users/{user}/tasks",
                token=sign(SECRET, user, ttl=3600),
                body=b"a" * 60_000,
            )[:-60_000]
            for user in ("one", "two", "three", "four")
        ],
    }[row]
    target.send(document, pages, request(target, last=True))
    before, grown, statuses = target.resident(), 0, []
    with holding(target.address, CONNECTIONS, *each):
        until = time.monotonic() + 2
        while time.monotonic() < until:
            statuses += target.send(request(target, last=True), patience=20).statuses
            grown = max(grown, target.resident() - before)
    assert set(statuses) == {200}
    assert grown < LARGEST, f"{grown} bytes"
