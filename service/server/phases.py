"""The phases of a connection, and the limits of time for what each waits for."""

import enum

HEAD_TIMEOUT = 10.0
"""Seconds for a header section, and for a new connection to send its first."""
BODY_TIMEOUT = 20.0
"""Seconds for a body after its header section, and one more for each BODY_RATE bytes."""
BODY_RATE = 8 * 1024
READ_TIMEOUT = 10.0
"""Seconds in which a client must receive some more of its response."""
KEEP_ALIVE = 75.0
"""Seconds between two requests; above the 60 of common proxies, so that the proxy closes idle
connections.
"""
LINGER = 1.0
"""Seconds to keep reading after a refusal: closing with unread input sends a reset, which may
destroy the response.
"""


class Phase(enum.Enum):
    """The event that a connection waits for."""

    HEAD = "the client's head"
    BODY = "the client's body"
    WORK = "the application"
    IDLE = "the client's next request"
    LINGER = "the client's end"
