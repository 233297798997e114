"""Bind `::` for IPv4 too: uvicorn would bind it for IPv6 alone."""

import logging
import socket

from ..settings import SettingsError

log = logging.getLogger("service")

EVERY_ADDRESS = "::"
"""The HOST for IPv6 and IPv4 alike."""


def every_address(port: int) -> socket.socket:
    """Bind the port on every address of IPv6 and IPv4, whatever net.ipv6.bindv6only says.

    Raises SettingsError if the port is not available.
    """
    listener = socket.socket(socket.AF_INET6)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((EVERY_ADDRESS, port))
    except OSError as error:
        listener.close()
        raise SettingsError(f"PORT: cannot listen on [::]:{port}: {error.strerror}") from None
    log.info("running on http://[::]:%d, for IPv6 and IPv4", listener.getsockname()[1])
    return listener
