"""File descriptors: how many connections this process has room for, and whether it has run out."""

import logging
import resource
import time
from typing import NamedTuple

log = logging.getLogger("service")

MAX_CONNECTIONS = 800
"""More clients than one worker can serve in time."""
MAX_WAITING = 800
"""New connections that are accepted and have not begun: as many again."""
WAITING_SHARE = 5
"""One descriptor in so many is for those that wait, where there are too few for all."""
RESERVED = 64
"""Descriptors for what is no client's connection: files, the log, listeners, the issuer."""
QUIET = 60.0
"""Seconds between two log lines about the same want."""

_warned_at = -QUIET


class Room(NamedTuple):
    """How many connections of clients a process may have: at once, and accepted beside those."""

    connections: int
    waiting: int


def room_for_connections(pool: int) -> Room:
    """Return how many connections of clients fit beside `pool` connections to the database.

    Raises the soft limit of open files as far as it needs to and may: on some systems that is 256.
    """
    beside = pool + RESERVED
    wanted = MAX_CONNECTIONS + MAX_WAITING + beside
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if most > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        if soft < wanted:
            waiting = max(8, (soft - beside) // WAITING_SHARE)
            return Room(max(16, min(MAX_CONNECTIONS, soft - beside - waiting)), waiting)
    return Room(MAX_CONNECTIONS, MAX_WAITING)


def warn_of_none_left() -> None:
    """Log, once in QUIET seconds, that no descriptor is left for a new connection, which waits
    meanwhile: nothing else would say so.
    """
    global _warned_at  # noqa: PLW0603 - of the process, as descriptors are
    now = time.monotonic()
    if now - _warned_at >= QUIET:
        _warned_at = now
        log.error("no file descriptor is left: new connections wait; see ulimit -n")
