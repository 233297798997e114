"""Derive the limit of connections from file descriptors, and warn when none is left."""

import logging
import resource
import time
from typing import NamedTuple

log = logging.getLogger("service")

MAX_CONNECTIONS = 800
"""More clients than one worker can serve in time."""
MAX_WAITING = 800
"""Accepted connections that have not started: as many again."""
WAITING_SHARE = 5
"""One in so many descriptors is for waiting connections, if there are too few for all."""
RESERVED = 64
"""Descriptors for other uses: files, the log, listeners, the issuer."""
QUIET = 60.0
"""Seconds between two such log lines."""

_warned_at = -QUIET


class Room(NamedTuple):
    """How many client connections a process may have: started, and accepted but waiting."""

    connections: int
    waiting: int


def room_for_connections(pool: int) -> Room:
    """Return how many client connections are possible beside `pool` database connections.

    Increases the soft limit of open files if needed and allowed: some systems start with 256.
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
    """Log, once in QUIET seconds, that new connections wait because no descriptor is left."""
    global _warned_at  # noqa: PLW0603 - of the process, as descriptors are
    now = time.monotonic()
    if now - _warned_at >= QUIET:
        _warned_at = now
        log.error("no file descriptor is left: new connections wait; see ulimit -n")
