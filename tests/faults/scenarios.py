"""What databases and networks do, and how the service stands it: shortly in the suite, for longer
by `make faults`.

`slack`: seconds that a busy machine may add to what must be quick.
"""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.measurements import Figure, always, judged, recovered, whole
from tests.faults.site import ROLE, Server, Site, sited, until
from tests.pooler import pgbouncer, through


async def terminated(
    server: Server, folder: Path, *, seconds: float, every: float, slack: float
) -> list[Figure]:
    """All of the service's sessions are ended again and again, under load."""
    async with sited(server, folder) as site:
        async with site.crowd() as crowd:
            end, ended = time.monotonic() + seconds, 0
            while time.monotonic() < end:
                await asyncio.sleep(every)
                await site.terminate()
                ended += 1
        good = crowd.record.good
        return [
            Figure("times all sessions were ended", str(ended)),
            *always(crowd.record, 15 + slack),
            Figure("2xx", f"{good:.2%}", good >= 0.99 - slack / 100),
            *await judged(site, crowd),
            *await whole(site, 4),
        ]


async def crashed(server: Server, folder: Path, *, outage: float, slack: float) -> list[Figure]:
    """A backend is killed, so that PostgreSQL starts anew; then it is away for a while."""
    async with sited(server, folder) as site:
        async with site.crowd() as crowd:
            await asyncio.sleep(1)
            pid = await site.admin.fetchval("SELECT pg_backend_pid()")
            os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.1)
            await until(lambda: _answers(site))
            after_crash = await recovered(crowd)
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(outage)
            await asyncio.to_thread(server.start)
            after_outage = await recovered(crowd)
            await site.reconnect()
        refused = [answer.seconds for _, answer in crowd.record.answers if answer.status == 503]
        return [
            *always(crowd.record, 15 + slack),
            Figure("slowest 503", f"{max(refused):.2f} s", max(refused) <= 1 + slack),
            Figure(
                "recovery after a crash restart", f"{after_crash:.2f} s", after_crash <= 3 + slack
            ),
            Figure(
                f"recovery after {outage:g} s without a server",
                f"{after_outage:.2f} s",
                after_outage <= 3 + slack,
            ),
            *await judged(site, crowd),
            *await whole(site, 4),
        ]


async def _answers(site: Site) -> bool:
    try:
        await site.reconnect()
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer
        return False
    return True


async def stopped(server: Server, folder: Path, *, seconds: float, slack: float) -> list[Figure]:
    """Every process of the server is stopped for a while: it takes connections and says nothing."""
    limits: dict[str, Any] = {
        "REQUEST_TIMEOUT": "2",
        "DB_ACQUIRE_TIMEOUT": "1",
        "DB_STATEMENT_TIMEOUT": "1",
    }
    async with sited(server, folder, **limits) as site:
        async with site.crowd() as crowd:
            await asyncio.sleep(0.5)
            for pid in (pids := server.backends()):
                os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            recovery = await recovered(crowd)
        return [
            *always(crowd.record, 2.5 + slack),
            Figure("recovery", f"{recovery:.2f} s", recovery <= 3 + slack),
            *await judged(site, crowd),
            *await whole(site, 4),
        ]


async def severed(
    server: Server, folder: Path, *, seconds: float, every: float, slack: float
) -> list[Figure]:
    """Connections are cut again and again: all of them, or one in the middle of an answer."""
    dice = random.Random(11)
    async with sited(server, folder, wired=True) as site:
        async with site.crowd() as crowd:
            end, cuts = time.monotonic() + seconds, 0
            while time.monotonic() < end:
                await asyncio.sleep(every)
                if dice.random() < 0.5:
                    site.wire.cut()
                    cuts += 1
                else:
                    site.wire.cut_after = dice.randrange(2000)
            site.wire.cut_after = None
            cuts += site.wire.cuts
        return [
            Figure("cuts", str(cuts)),
            *always(crowd.record, 15 + slack),
            Figure("2xx", f"{crowd.record.good:.2%}"),
            *await judged(site, crowd),
            *await whole(site, 4),
        ]


async def swallowed(server: Server, folder: Path, *, seconds: float, slack: float) -> list[Figure]:
    """The network swallows everything for a while: no answer, no refusal, no end of a
    connection.
    """
    limits: dict[str, Any] = {
        "REQUEST_TIMEOUT": "2",
        "DB_ACQUIRE_TIMEOUT": "1",
        "DB_STATEMENT_TIMEOUT": "1",
    }
    async with sited(server, folder, wired=True, **limits) as site:
        async with site.crowd() as crowd:
            await asyncio.sleep(0.5)
            site.wire.hole = True
            await asyncio.sleep(seconds)
            site.wire.hole = False
            recovery = await recovered(crowd)
        # The server's sessions still wait for what was lost. In time TCP would end them.
        site.wire.cut()
        return [
            *always(crowd.record, 2.5 + slack),
            Figure("recovery", f"{recovery:.2f} s", recovery <= 3 + slack),
            *await judged(site, crowd),
            *await whole(site, 4),
        ]


async def full(server: Server, folder: Path, *, seconds: float, slack: float) -> list[Figure]:
    """Others take every connection that the server has."""
    async with sited(server, folder) as site:
        async with site.crowd() as crowd:
            await asyncio.sleep(0.5)
            others = await site.occupy()
            await asyncio.sleep(seconds)
            for other in others:
                other.terminate()
            recovery = await recovered(crowd)
        refused = [answer.seconds for _, answer in crowd.record.answers if answer.status == 503]
        return [
            *always(crowd.record, 15 + slack),
            Figure("503", str(len(refused)), len(refused) > 0),
            Figure(
                "slowest 503",
                f"{max(refused, default=0):.2f} s",
                max(refused, default=0) <= 1 + slack,
            ),
            Figure("recovery", f"{recovery:.2f} s", recovery <= 3 + slack),
            *await judged(site, crowd),
            *await whole(site, 4),
        ]


async def read_only(server: Server, folder: Path, *, seconds: float, slack: float) -> list[Figure]:
    """The server becomes one that may not be written to, as in a fail-over, and a writable one
    again.
    """
    async with sited(server, folder) as site:
        async with site.crowd() as crowd:
            for value in ("on", "off"):
                await asyncio.sleep(seconds)
                await site.admin.execute(
                    f"ALTER DATABASE {site.database} SET default_transaction_read_only = {value}"
                )
                await site.terminate()
            recovery = await recovered(crowd)
        reads = [answer.status for what, answer in crowd.record.answers if what in {"read", "list"}]
        refused = crowd.record.statuses()[503]
        return [
            *always(crowd.record, 15 + slack),
            Figure("writes that were refused", str(refused), refused > 0),
            Figure("reads that were not answered", str(reads.count(503)), reads.count(503) == 0),
            Figure("recovery", f"{recovery:.2f} s", recovery <= 3 + slack),
            *await judged(site, crowd),
            *await whole(site, 4),
        ]


async def pooled(server: Server, folder: Path, *, seconds: float, slack: float) -> list[Figure]:
    """Behind a PgBouncer: sessions are ended, PgBouncer is stopped, ended, and another one
    started.
    """
    limits: dict[str, Any] = {
        "REQUEST_TIMEOUT": "3",
        "DB_ACQUIRE_TIMEOUT": "2",
        "DB_STATEMENT_TIMEOUT": "2",
    }
    async with sited(server, folder, wired=True, parameters="&pgbouncer=true", **limits) as site:
        with bouncing(site, folder / "one") as pid, contextlib.ExitStack() as later:
            async with site.crowd() as crowd:
                for _ in range(2):
                    await asyncio.sleep(seconds / 5)
                    await site.terminate()
                await asyncio.sleep(seconds / 5)
                os.kill(pid, signal.SIGSTOP)
                await asyncio.sleep(seconds / 5)
                os.kill(pid, signal.SIGCONT)
                await asyncio.sleep(seconds / 5)
                os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(1)
                later.enter_context(bouncing(site, folder / "two"))
                recovery = await recovered(crowd)
        return [
            *always(crowd.record, 3.5 + slack),
            Figure("2xx", f"{crowd.record.good:.2%}"),
            Figure("recovery", f"{recovery:.2f} s", recovery <= 3 + slack),
            *await judged(site, crowd),
            *await whole(site, 10),
        ]


@contextlib.contextmanager
def bouncing(site: Site, folder: Path) -> Iterator[int]:
    """Lead the wire through a PgBouncer; its pid."""
    folder.mkdir()
    with pgbouncer(site.dsn, folder, [(ROLE, "")], {"pidfile": "pid"}) as port:
        site.wire.lead(through(site.direct, port))
        site.wire.cut()
        yield int((folder / "pid").read_text())
