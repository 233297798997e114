"""What processes cost, as Linux counts it: CPU in nanoseconds, resident memory."""

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

GONE = (FileNotFoundError, ProcessLookupError)


def family(pid: int) -> list[int]:
    """Return the process and all its descendants."""
    found = [pid]
    for each in found:
        with suppress(*GONE):
            for thread in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (thread / "children").read_text().split())
    return found


def cpu(pids: Iterable[int]) -> float:
    """Return the CPU seconds of these processes' threads."""
    total = 0
    for pid in pids:
        with suppress(*GONE):
            total += sum(
                int((thread / "schedstat").read_text().split()[0])
                for thread in Path(f"/proc/{pid}/task").iterdir()
            )
    return total / 1e9


def resident(pids: Iterable[int]) -> float:
    """Return MiB of resident memory."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def settle(pid: int, patience: float = 10.0) -> None:
    """Wait until the process is idle."""
    deadline, before = time.monotonic() + patience, -1.0
    while (now := cpu(family(pid))) - before > 0.002 and time.monotonic() < deadline:
        before = now
        time.sleep(0.05)


class Backends:
    """The CPU of a database's connections within the `async with` block: `seconds`, afterwards.

    With `ending`, connections may end before the block does: they are looked at fifty times a
    second.
    """

    def __init__(self, postmaster: int, database: str, *, ending: bool = False) -> None:
        self._postmaster, self._database, self._ending = postmaster, database, ending
        self._stop = Event()
        self._seen: dict[int, float] = {}
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._before = self._look()
        self._thread = Thread(target=self._watch)
        if self._ending:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._ending:
            self._thread.join()
        self._seen |= self._look()
        self.seconds = sum(
            seconds - self._before.get(pid, 0.0) for pid, seconds in self._seen.items()
        )

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self._seen |= self._look()

    def _look(self) -> dict[int, float]:
        found = {}
        children = (
            Path(f"/proc/{self._postmaster}/task/{self._postmaster}/children").read_text().split()
        )
        for pid in map(int, children):
            with suppress(*GONE):
                # Postgres: user database [local] SELECT
                title = Path(f"/proc/{pid}/cmdline").read_text().split()
                if len(title) > 2 and title[2] == self._database:
                    found[pid] = cpu([pid])
        return found
