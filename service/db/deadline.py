"""The deadline of the current request, for all code that waits on its behalf."""

import time
from contextvars import ContextVar


class Deadline:
    """`at`: seconds of time.monotonic. `unknown`: whether a write was sent whose outcome is not
    known.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self.unknown = False


current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
"""None outside a request: then each wait has only its own limit."""

KEPT_FOR_THE_ANSWER = 0.05
"""Share of the time that is left."""


def within(seconds: float) -> float:
    """Return `seconds`, or what the deadline leaves if that is less: 0 or below once it is over."""
    if (deadline := current.get()) is None:
        return seconds
    return min(seconds, (deadline.at - time.monotonic()) * (1 - KEPT_FOR_THE_ANSWER))


def in_doubt(unknown: bool) -> None:  # noqa: FBT001 - the fact itself
    """Record whether a write was sent whose outcome is not known yet."""
    if (deadline := current.get()) is not None:
        deadline.unknown = unknown
