"""TCP keepalive on the way to the database, under libpq's names.

Firewalls, NAT and load balancers forget connections that are silent, and tell nobody. Probes keep
them known; and what is sent and never acknowledged ends the connection, well before a statement's
time is over.
"""

import socket
from collections.abc import Mapping

DEFAULTS = {
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "3000",
}
"""Seconds of silence until the first probe, between probes, how many; and milliseconds until what
was sent must be acknowledged. As with libpq, 0 leaves it to the system, and `keepalives=0` sends no
probes.
"""
NAMES = tuple(DEFAULTS)

_OPTIONS = {
    # macOS has TCP_KEEPALIVE for the first, and nothing like the last.
    "keepalives_idle": getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None)),
    "keepalives_interval": getattr(socket, "TCP_KEEPINTVL", None),
    "keepalives_count": getattr(socket, "TCP_KEEPCNT", None),
    "tcp_user_timeout": getattr(socket, "TCP_USER_TIMEOUT", None),
}


def keep_alive(connected: socket.socket, parameters: Mapping[str, str]) -> None:
    """Set what the URL's parameters say, or else DEFAULTS. A Unix socket needs none of it."""
    if connected.family == socket.AF_UNIX:
        return
    values = {name: int(parameters.get(name, default)) for name, default in DEFAULTS.items()}
    probing = values.pop("keepalives")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, probing)
    for name, value in values.items():
        option = _OPTIONS[name]
        if option is not None and value and (probing or name == "tcp_user_timeout"):
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
