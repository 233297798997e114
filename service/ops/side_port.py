"""A port beside the service's own, for the platform: answered by threads, so that neither requests
nor slow clients hold its answers up.
"""

import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from ..settings import SettingsError
from ..web.addresses import authority

log = logging.getLogger("service")

PATIENCE = 5.0
"""Seconds that one connection may take as a whole, however its bytes come."""
MAX_CONNECTIONS = 8
"""Connections at once; those beyond are closed."""


class Bounded(BaseHTTPRequestHandler):
    """A handler whose connection ends when PATIENCE is over."""

    server_version, sys_version = "task-service", ""

    def handle(self) -> None:
        """Answer, or end the connection."""
        end = threading.Timer(PATIENCE, self._end)
        end.daemon = True
        end.start()
        try:
            super().handle()
        finally:
            end.cancel()

    def log_message(self, *_: object) -> None:
        """Log nothing of what goes well."""

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    # The end of the process waits for no client.
    daemon_threads, block_on_close = True, False

    def __init__(self, host: str, port: int, handler: type[Bounded]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        """Bind the port, for `::` on every address of IPv4 too."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def verify_request(self, *_: object) -> bool:
        """Whether there is room for one more connection."""
        return self._room.acquire(blocking=False)

    def process_request_thread(
        self, request: "socket.socket | tuple[bytes, socket.socket]", client_address: Any
    ) -> None:
        """Answer one connection, in a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, *_: object) -> None:
        """Log what went wrong, most often that the client went away: no reason to stop."""
        log.warning("a connection beside failed: %s", type(sys.exc_info()[1]).__name__)


@contextlib.contextmanager
def listening(
    setting: str, host: str, port: int, handler: type[Bounded], what: str
) -> Iterator[None]:
    """Answer on the port, which `setting` names, as long as the block lasts.

    Raises SettingsError when the port is not to be had.
    """
    try:
        server = _Server(host, port, handler)
    except OSError as error:
        raise SettingsError(
            f"{setting}: cannot listen on {authority(host, port)}: {error.strerror}"
        ) from None
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name=what, daemon=True)
    with server:
        thread.start()
        log.info("%s on http://%s", what, authority(host, server.server_address[1]))
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
