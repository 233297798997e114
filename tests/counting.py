"""Count what code calls, where a clock would say what the machine does beside."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Self


def any_function(_: FrameType, event: str) -> bool:
    """Whether this is a call, of a function in Python or in C."""
    return event in {"call", "c_call"}


class Calls:
    """Counts calls in the `with` block: `number` is how many there were."""

    def __init__(self, these: Callable[[FrameType, str], bool] = any_function) -> None:
        """`these`: whether an event of sys.setprofile, with its frame, counts."""
        self.number = 0
        self._these = these

    def __enter__(self) -> Self:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if frame.f_code.co_filename != __file__:
            self.number += self._these(frame, event)


def calls(work: Callable[[], Any]) -> int:
    """How many functions the work calls, those written in C included."""
    with Calls() as counted:
        work()
    return counted.number
