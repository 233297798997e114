"""File descriptors: how many connections this process has room for, and whether it has run out."""

import errno
import logging
import os
import resource
import time

log = logging.getLogger("service")

MAX_CONNECTIONS = 800
"""More clients than one worker can serve in time."""
RESERVED = 64
"""Descriptors for what is no client's connection: files, the log, listeners, the issuer."""
QUIET = 60.0
"""Seconds between two log lines about the same want."""

_warned_at = -QUIET


def room_for_connections(pool: int) -> int:
    """Return how many connections of clients fit beside `pool` connections to the database.

    Raises the soft limit of open files as far as it needs to and may: on some systems that is 256.
    """
    wanted = MAX_CONNECTIONS + pool + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if most > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        return max(16, soft - pool - RESERVED)
    return MAX_CONNECTIONS


def warn_when_exhausted() -> None:
    """Log, once in QUIET seconds, that no descriptor is left: new connections are then refused by
    the system, and nothing else would say so.
    """
    global _warned_at  # noqa: PLW0603 - of the process, as descriptors are
    try:
        os.close(os.dup(2))
    except OSError as error:
        now = time.monotonic()
        if error.errno in (errno.EMFILE, errno.ENFILE) and now - _warned_at >= QUIET:
            _warned_at = now
            log.error("no file descriptor is left: new connections are refused; see ulimit -n")  # noqa: TRY400
