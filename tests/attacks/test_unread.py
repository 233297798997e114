"""Clients that ask and do not read: what that costs the process, and the others."""

import contextlib
import json
import resource
import socket
import time
from collections.abc import Iterator

import pytest

from service.auth.tokens import sign
from tests.attacks.conftest import Target
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
        made = request(target, "POST", TASKS, token=carol, body=LONGEST.encode())
        assert target.send(made).statuses == [201]
    return request(target, path=f"{TASKS}?limit=100", token=carol)


@contextlib.contextmanager
def unread(target: Target, each: bytes) -> Iterator[None]:
    """Many connections that send this and read nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2048)), hard))
    connections = []
    try:
        for _ in range(CONNECTIONS):
            connection = socket.socket()
            connections.append(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(10)
            with contextlib.suppress(OSError):
                connection.connect(target.address)
                connection.sendall(each)
        yield
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("row", ["a document", "a page", "pipelined pages", "half a body"])
def test_many_who_do_not_read(target: Target, pages: bytes, row: str) -> None:
    """Whatever hundreds of clients leave unread or unfinished, the process hardly grows, and
    everybody else is answered meanwhile.
    """
    each = {
        "a document": request(target, path="/docs/swagger-ui-bundle.js", token=b""),
        "a page": pages,
        "pipelined pages": pages * 50,
        "half a body": request(target, "POST", token=b"", body=b"a" * 60_000)[:-1],
    }[row]
    target.send(request(target, path="/docs/swagger-ui-bundle.js", token=b""))
    target.send(pages)
    before, grown, statuses = target.resident(), 0, []
    with unread(target, each):
        until = time.monotonic() + 2
        while time.monotonic() < until:
            statuses += target.send(request(target), patience=20).statuses
            grown = max(grown, target.resident() - before)
    assert set(statuses) == {200}
    assert grown < LARGEST, f"{grown} bytes"
