"""The record of each try of a statement, for an observer."""

from collections.abc import Callable

import msgspec


class Call(msgspec.Struct, frozen=True, gc=False):
    """One try of one statement, or of a transaction's BEGIN or COMMIT. The times are seconds of
    `time.perf_counter`.
    """

    name: str
    began: float
    """When the wait for a connection began."""
    acquired: float
    """When that wait ended; `ended` if it failed, `began` within a transaction."""
    ended: float
    rows: int
    """The number of rows returned, or affected; 0 for a failed try."""
    sqlstate: str
    """Empty on success; 57014 if the caller was cancelled."""


Observe = Callable[[Call], None]


def unobserved(_: Call) -> None:
    """Observe nothing."""
