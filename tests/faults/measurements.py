"""Measurements of the service under faults, and their limits."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.faults.clients import Record
from tests.faults.site import Site, until
from tests.faults.work import Crowd

CALM = 1.0
"""Seconds without a refusal after which a crowd has recovered."""


class Figure(NamedTuple):
    """One thing that was seen, and whether it is as it must be."""

    what: str
    seen: str
    holds: bool = True


def always(record: Record, deadline: float) -> Iterator[Figure]:
    """What must hold under every fault. `deadline`: the most seconds that an answer may take."""
    statuses = record.statuses()
    yield Figure("requests", str(len(record.answers)), len(record.answers) > 0)
    odd = {
        status: number
        for status, number in statuses.items()
        if status not in {200, 201, 204, 404, 409, 503, 504}
    }
    yield Figure("500, or no answer", str(odd or 0), not odd)
    yield Figure(
        "503 without Retry-After", str(record.without_retry_after), record.without_retry_after == 0
    )
    yield Figure("answers that contradict others", str(record.lies[:3] or 0), not record.lies)
    yield Figure("slowest answer", f"{record.longest:.2f} s", record.longest <= deadline)


async def judged(site: Site, crowd: Crowd) -> list[Figure]:
    """What the database says."""
    verdict = await site.verdict(crowd)
    return [
        Figure("acknowledged changes lost", str(verdict.lost), verdict.lost == 0),
        Figure("changes made twice", str(verdict.duplicates), verdict.duplicates == 0),
        Figure("rows that nobody asked for", str(verdict.strange), verdict.strange == 0),
        Figure("503 outcome-unknown", str(crowd.record.unknown)),
    ]


async def whole(site: Site, connections: int) -> list[Figure]:
    """Nothing runs any more, and nothing has leaked."""
    await until(lambda: quiet(site))
    # It takes a moment until all ends of connections have been noticed
    with contextlib.suppress(TimeoutError):
        await until(lambda: _closed(site, connections), 10)
    sessions, files = await site.sessions(), site.files() - site.open_files
    tracebacks = [line for line in site.run.lines if "Traceback" in line]
    return [
        Figure("tracebacks in the log", str(tracebacks[:1] or 0), not tracebacks),
        Figure("statements left running", "0"),
        Figure("sessions afterwards", str(sessions), sessions <= connections),
        Figure("files open afterwards, above the start", str(files), files <= connections),
    ]


async def quiet(site: Site) -> bool:
    """Whether no statement of the service's runs."""
    return await site.sessions("state <> 'idle'") == 0


async def _closed(site: Site, connections: int) -> bool:
    return site.files() - site.open_files <= connections and await site.sessions() <= connections


async def recovered(crowd: Crowd) -> float:
    """Seconds from now until the last answer that is no 2xx, once none has come for a while."""
    now = time.monotonic()
    last = now
    async with asyncio.timeout(60):
        while time.monotonic() - last < CALM:
            await asyncio.sleep(0.1)
            bad = [
                answer.at
                for _, answer in crowd.record.answers[-2000:]
                if answer.status // 100 != 2 and answer.at > now
            ]
            last = max([last, *bad])
    return last - now
