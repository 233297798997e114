"""A port beside the service's own: who has room there."""

import contextlib
import socket

import httpx
import pytest

from service.ops import side_port
from service.ops.side_port import MAX_CONNECTIONS, Bounded, listening
from tests.proxies.running import free_port


class Hello(Bounded):
    """Answers everything."""

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        """Answer."""
        self.send_response(204)
        self.end_headers()


def test_an_unfinished_connection_makes_room_for_a_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However many connections never finish their requests, the next one is answered: the oldest is
    closed for it.
    """
    monkeypatch.setattr(side_port, "PATIENCE", 600)
    port = free_port()
    with (
        listening("PROBE_PORT", "127.0.0.1", port, Hello, "probes"),
        contextlib.ExitStack() as stack,
    ):
        unfinished = []
        for _ in range(2 * MAX_CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
            connection.sendall(b"GET ")
            unfinished.append(connection)
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 204
        assert [each.recv(1) for each in unfinished[: MAX_CONNECTIONS + 1]] == [b""] * (
            MAX_CONNECTIONS + 1
        )
        assert caplog.text.count("failed") == 0


def test_the_network_with_the_most_connections_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network with the most connections loses one, not the oldest connection."""
    monkeypatch.setattr(side_port, "PATIENCE", 600)
    port = free_port()
    with (
        listening("PROBE_PORT", "127.0.0.1", port, Hello, "probes"),
        contextlib.ExitStack() as stack,
    ):
        one = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
        crowd = [
            stack.enter_context(
                socket.create_connection(("127.0.0.1", port), 20, source_address=("127.0.0.2", 0))
            )
            for _ in range(MAX_CONNECTIONS)
        ]
        assert crowd[0].recv(1) == b""
        one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert one.recv(12) == b"HTTP/1.0 204"
