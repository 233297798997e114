"""What an observer learns of each try of a statement."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from .errors import CANCELLED, QueryFailed


class Call(NamedTuple):
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


class Try:
    """A try, from asking for a connection to its end, reported to `observe`."""

    __slots__ = ("_began", "_name", "_observe", "acquired", "rows")

    def __init__(self, observe: Observe, name: str, *, connected: bool = False) -> None:
        self._observe = observe
        self._name = name
        self._began = time.perf_counter()
        self.acquired = self._began if connected else 0.0
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ended = time.perf_counter()
        sqlstate = ""
        if error is not None:
            sqlstate = error.sqlstate if isinstance(error, QueryFailed) else CANCELLED
        acquired = self.acquired or ended
        self._observe(Call(self._name, self._began, acquired, ended, self.rows, sqlstate))


def unobserved(_: Call) -> None:
    """Observe nothing."""
