"""Retry failed statements where that is safe.

A statement that certainly changed nothing is retried if that may help: there was no connection, or
the server rolled it back. One whose result was lost is retried if it only reads, or if its header
says `repeatable`. The outcome of any other is reported as unknown.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .deadline import in_doubt, within
from .errors import QueryFailed

MAX_TRIES = 3
FIRST_PAUSE = 0.1
"""Seconds at most before the second try, twice that before the third. A random pause spreads the
retries of requests that failed together ("full jitter", Exponential Backoff And Jitter, AWS
Architecture Blog).
"""

Answer = TypeVar("Answer")


async def retried(
    run: Callable[[], Awaitable[Answer]], failed: QueryFailed, *, repeatable: bool
) -> Answer:
    """Run `run` again after its first failure, and return its result. `repeatable`: running it
    twice has the same effect as once.

    Raises the last failure, `unknown` if any try's outcome is: the first try may have committed
    although the last one could not connect.
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
