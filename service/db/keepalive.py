"""TCP keepalive for connections to the database, with libpq's parameter names.

Firewalls, NAT and load balancers silently drop idle connections. Probes prevent that. Data that is
never acknowledged ends the connection well before a statement's timeout.
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
"""Idle seconds before the first probe, seconds between probes, number of probes, milliseconds for
an acknowledgement. As with libpq, 0 is the system's default, and `keepalives=0` sends no probes.
"""
NAMES = tuple(DEFAULTS)

_OPTIONS = {
    # macOS calls the first one TCP_KEEPALIVE and lacks the last.
    "keepalives_idle": getattr(socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None)),
    "keepalives_interval": getattr(socket, "TCP_KEEPINTVL", None),
    "keepalives_count": getattr(socket, "TCP_KEEPCNT", None),
    "tcp_user_timeout": getattr(socket, "TCP_USER_TIMEOUT", None),
}


def keep_alive(connected: socket.socket, parameters: Mapping[str, str]) -> None:
    """Set the URL's keepalive parameters, or DEFAULTS, unless it is a Unix socket."""
    if connected.family == socket.AF_UNIX:
        return
    values = {name: int(parameters.get(name, default)) for name, default in DEFAULTS.items()}
    probing = values.pop("keepalives")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, probing)
    for name, value in values.items():
        option = _OPTIONS[name]
        if option is not None and value and (probing or name == "tcp_user_timeout"):
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
