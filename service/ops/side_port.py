"""A second port, for the platform: threads answer, so that requests and slow clients do not delay
them.
"""

import contextlib
import logging
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from ..settings import SettingsError
from ..web.addresses import authority, network

log = logging.getLogger("service")

PATIENCE = 5.0
"""Seconds that a connection may take in total."""
MAX_CONNECTIONS = 32
"""Connections at once. At the limit the oldest connection of the network with the most is closed:
answers take no time.
"""


def end(connection: socket.socket) -> None:
    """Close a connection, which ends its thread too."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Bounded(BaseHTTPRequestHandler):
    """A handler whose connection is closed after PATIENCE."""

    server_version, sys_version = "task-service", ""

    def handle(self) -> None:
        """Answer, or close the connection."""
        timer = threading.Timer(PATIENCE, end, (self.connection,))
        timer.daemon = True
        timer.start()
        try:
            super().handle()
        finally:
            timer.cancel()

    def log_message(self, *_: object) -> None:
        """Log no successful request."""


class _Server(ThreadingTCPServer):
    allow_reuse_address, request_queue_size = True, 64
    # The process ends without waiting for clients.
    daemon_threads, block_on_close = True, False

    def __init__(self, host: str, port: int, handler: type[Bounded]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._open: dict[Any, str] = {}
        self._lock = threading.Lock()
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        """Bind the port; `::` includes every IPv4 address."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start answering a connection; at the limit, close another one."""
        with self._lock:
            if len(self._open) >= MAX_CONNECTIONS:
                [(crowd, _)] = Counter(self._open.values()).most_common(1)
                oldest = next(each for each, whose in self._open.items() if whose == crowd)
                del self._open[oldest]
                end(oldest)
            self._open[request] = network(client_address[0])
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)

    def handle_error(self, *_: object) -> None:
        """Log an error, unless the client disconnected or was cut off."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            log.error("a connection of the side port failed", exc_info=error)


@contextlib.contextmanager
def listening(
    setting: str, host: str, port: int, handler: type[Bounded], what: str
) -> Iterator[None]:
    """Answer on the port of `setting` for the `with` block.

    Raises SettingsError if the port is not available.
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
