"""What an observer learns of each try of a statement."""

from collections.abc import Callable

import msgspec


class Call(msgspec.Struct, frozen=True, gc=False):
    """One try of one statement, or of a transaction's BEGIN or COMMIT. The times are seconds of
    `time.perf_counter`.
    """

    name: str
    began: float
    """When a connection was asked for."""
    acquired: float
    """When it was had; where none was had, the same as `ended`. Within a transaction nobody asks:
    the same as `began`.
    """
    ended: float
    rows: int
    """The rows of the answer, or those touched by a statement that has none; 0 for a try that
    failed.
    """
    sqlstate: str
    """Empty when it worked; 57014 when the caller was cancelled."""


Observe = Callable[[Call], None]


def unobserved(_: Call) -> None:
    """Observe nothing."""
