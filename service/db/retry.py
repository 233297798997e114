"""Try again what failed, where that is safe, and never report a write's outcome that is not known.

A statement that certainly changed nothing is tried again, whatever it does, if another try may
help: no connection was had, or the server said that it was undone. One whose answer was lost is
tried again if it only reads, or if its header says `repeatable`. The outcome of
any other is unknown, and is reported as such.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .deadline import in_doubt, within
from .errors import QueryFailed

MAX_TRIES = 3
FIRST_PAUSE = 0.1
"""Seconds at most before the second try, twice that before the third. The pause is random, so that
those who failed together do not come back together ("full jitter", Exponential Backoff And
Jitter, AWS Architecture Blog).
"""

Answer = TypeVar("Answer")


async def retried(
    run: Callable[[], Awaitable[Answer]], failed: QueryFailed, *, repeatable: bool
) -> Answer:
    """What `run` returns after it has failed once. `repeatable`: running it twice is the same as
    running it once.

    Raises the last failure. Its outcome is unknown when that of any try is: the last one may have
    failed to connect, and the first one may have been carried out.
    """
    for doubling in range(MAX_TRIES - 1):
        pause = random.random() * FIRST_PAUSE * 2**doubling  # noqa: S311 - no secret
        if not failed.transient or (failed.unknown and not repeatable) or within(pause) < pause:
            break
        in_doubt(failed.unknown)
        await asyncio.sleep(pause)
        try:
            answer = await run()
        except QueryFailed as error:
            error.unknown |= failed.unknown
            failed = error
        else:
            in_doubt(unknown=False)
            return answer
    raise failed
