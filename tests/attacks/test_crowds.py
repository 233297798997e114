"""Crowds at each port: other clients are answered meanwhile."""

import contextlib
import json
import select
import signal
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm

from tests.attacks.conftest import Target
from tests.attacks.crowds import dripping, holding, reconnecting, room
from tests.attacks.judge import request
from tests.commands import running

ELSEWHERE = "127.0.0.2"
CROWD = 200
PROBE = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("door", ["probes", "metrics"])
def test_probes_and_scrapes_pass_connections_that_drip(target: Target, door: str) -> None:
    """Probes and scrapes are answered however many connections drip at their port."""
    port, path = {
        "probes": (target.probes, "/livez"),
        "metrics": (target.metrics, "/metrics"),
    }[door]
    with holding((target.address[0], port), 20, b"GET /"), dripping((target.address[0], port), 20):
        statuses = [httpx.get(f"http://127.0.0.1:{port}{path}").status_code for _ in range(20)]
    assert statuses == [200] * 20


def test_a_probe_does_not_wait_for_another_clients_connections(target: Target) -> None:
    """A probe on a new connection does not wait for the connections that another client opened
    before it.
    """
    each = request(target, last=True)
    with socket.socket() as probe, contextlib.ExitStack() as crowd:
        target.run.process.send_signal(signal.SIGSTOP)  # so that all stand in line
        try:
            waiting = crowd.enter_context(holding(target.address, CROWD, each))
            probe.settimeout(20)
            probe.bind((ELSEWHERE, 0))
            probe.connect(target.address)
            probe.sendall(PROBE)
        finally:
            target.run.process.send_signal(signal.SIGCONT)
        assert probe.recv(12) == b"HTTP/1.1 200"
        assert answered(waiting) < CROWD / 2


def answered(connections: list[socket.socket]) -> int:
    """How many have something to read."""
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN)
    return len(poll.poll(0))


def test_an_owner_with_a_connection_a_request_delays_nobody_else(target: Target) -> None:
    """An owner who opens a connection for each request gets 200 or 429; other clients are answered
    meanwhile.
    """
    last = request(target, last=True)
    with reconnecting(target.address, 50, last) as statuses:
        others = [target.send(PROBE, patience=20, source=ELSEWHERE).statuses for _ in range(20)]
    assert others == [[200]] * 20
    assert statuses.keys() <= {b"200", b"429"}


def test_a_request_does_not_wait_for_hundreds_of_pipelines(target: Target) -> None:
    """A request begins in the next turn, however many pipelined requests another network has
    waiting.
    """
    with holding(target.address, 400, request(target) * 100):
        answered = target.send(
            request(target, token=target.tokens["bob"], last=True), source=ELSEWHERE
        )
        assert answered.statuses == [404]
        assert target.send(PROBE, source=ELSEWHERE).statuses == [200]


class Issuer(BaseHTTPRequestHandler):
    """Publishes its key once; every later answer it keeps to itself."""

    key = ed25519.Ed25519PrivateKey.generate()
    asked = 0
    end = threading.Event()

    def do_GET(self) -> None:
        """Answer, or do not."""
        Issuer.asked += 1
        if Issuer.asked > 1:
            Issuer.end.wait(60)
            return
        public = OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        content = json.dumps({"keys": [{**public, "kid": "known"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def issuing() -> Iterator[str]:
    """The URL of a slow issuer."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/jwks"
    finally:
        Issuer.end.set()
        server.shutdown()
        thread.join()
        server.server_close()


def of(kid: str) -> str:
    """A token of that key."""
    claims = {"sub": "alice", "exp": 4_102_444_800}
    return jwt.encode(claims, Issuer.key, "EdDSA", {"kid": kid})


def test_unknown_keys_are_401_and_known_keys_valid_while_the_issuer_is_slow(
    tmp_path: Path, database: str
) -> None:
    """While the issuer does not answer, tokens with random keys are 401 and tokens with known keys
    are valid.
    """
    with (
        issuing() as url,
        running(
            "serve",
            cwd=tmp_path,
            DATABASE_URL=database,
            JWKS_URL=url,
            CURSOR_SECRET="a secret for cursors, of 32 characters",
            MAX_IN_FLIGHT="2000",
        ) as run,
    ):
        while run.client.get("/readyz").status_code != 200:
            threading.Event().wait(0.05)
        target = Target(run)
        with room(), contextlib.ExitStack() as stack:
            connections = []
            for _ in range(400):
                connection = stack.enter_context(socket.create_connection(target.address, 20))
                connection.sendall(request(target, token=of(uuid4().hex)))
                connections.append(connection)
            assert target.send(request(target, token=of("known"), last=True)).statuses == [200]
            assert {connection.recv(65536)[:12] for connection in connections} == {b"HTTP/1.1 401"}
