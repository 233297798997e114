"""Until when the request that is being handled must have its answer, for all that waits on its
behalf.
"""

import time
from contextvars import ContextVar


class Deadline:
    """`at`: on the clock of time.monotonic. `unknown`: whether a write was begun whose outcome is
    not known.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self.unknown = False


current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
"""None outside a request: then nothing but a wait's own limit bounds it."""

KEPT_FOR_THE_ANSWER = 0.05
"""Of the time that is left."""


def within(seconds: float) -> float:
    """That many seconds, or what the request can still spare; not above 0 when its time is over."""
    deadline = current.get()
    return (
        seconds
        if deadline is None
        else min(seconds, (deadline.at - time.monotonic()) * (1 - KEPT_FOR_THE_ANSWER))
    )


def in_doubt(unknown: bool) -> None:  # noqa: FBT001 - the fact itself
    """Note whether a write has been begun whose outcome is not known yet."""
    if (deadline := current.get()) is not None:
        deadline.unknown = unknown
