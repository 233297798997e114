"""Start and size: seconds to the first answer, memory of a worker, size of what is installed.

make bench-footprint

The service starts on a migrated database with rows, as `python -m service serve` with metrics on,
and answers 100,000 mixed requests. The peers of the comparison beside it, with a tenth of the
requests.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from service.dev import postgres
from tests.conftest import with_database

from . import fill
from .compare import POSTGRES
from .contestants import PEER, RAW, ROOT, SERVICE, SQLMODEL, Contestant, serving
from .figures import occasion, save
from .load import WORKLOADS, Requests, run
from .processes import family, resident
from .report import Aim

STARTS = 5
SECONDS = 5
LOCKS = {
    SERVICE.name: (ROOT / "locks" / "runtime.lock", ROOT / "locks" / "assets.lock"),
    SQLMODEL.name: (PEER / "requirements-peer.lock",),
}


def start(contestant: Contestant, dsn: str, log: Path) -> float:
    """Return the median seconds from the start of the process to its first answer."""
    times = []
    for _ in range(STARTS):
        with serving(contestant, dsn, log) as server:
            times.append(server.start)
    return round(median(times), 3)


def memory(
    contestant: Contestant, dsn: str, postmaster: int, folder: Path, requests: int
) -> dict[str, float]:
    """Return MiB at rest, once warm, and after that many more requests."""
    [mixed] = [workload for workload in WORKLOADS if workload.name == "mixed"]
    with serving(contestant, dsn, folder / "log") as server:

        def answer(count: int) -> float:
            while count > 0:
                count -= run(server, postmaster, mixed, folder, 32, SECONDS)["requests"]
            return round(resident(family(server.pid)), 1)

        return {"rest": answer(0), "warm": answer(requests // 10), "after": answer(requests)}


def installed(*locks: Path) -> float:
    """Return MiB of what the locks install, without bytecode."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
        ]
        subprocess.run(
            [
                *command,
                "--only-binary=:all:",
                "--require-hashes",
                "--no-deps",
                *(f"--requirement={lock}" for lock in locks),
                "--target",
                folder,
            ],
            check=True,
        )
        return round(
            sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 2**20,
            1,
        )


def line(seen: dict[str, Any]) -> str:
    """Return a contestant's line of the table."""
    memory = (
        f"MiB: {seen['rest']} at rest, {seen['warm']} warm, {seen['after']} after"
        f" {seen['requests']:,} requests"
    )
    return (
        f"{seen['contestant']:10} first answer {seen['start']} s; {memory};"
        f" {seen.get('installed', '-')} installed"
    )


def targets(ours: dict[str, Any]) -> str:
    """Return the targets, met or missed."""
    aims = [
        Aim("seconds to the first answer", ours["start"], 0.7, least=False),
        Aim(f"MiB after {ours['requests']:,} requests", ours["after"], 80, least=False),
        Aim(
            f"growth over {ours['requests']:,} requests",
            ours["after"] / ours["warm"],
            1.05,
            least=False,
        ),
    ]
    return "\n".join(map(str, aims))


def main() -> None:
    """Start, load, install and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.footprint", description="Start and size."
    )
    parser.add_argument(
        "--requests",
        type=int,
        default=100_000,
        help="of the service; the peers get a tenth (default: 100000)",
    )
    parser.add_argument("--out", type=Path, help="keep the figures as FILE.json")
    options = parser.parse_args()
    runs: list[dict[str, Any]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        server = stack.enter_context(postgres.running(folder / "pg", POSTGRES))
        Requests(folder).write()
        for contestant in (SERVICE, SQLMODEL, RAW):
            asyncio.run(fill.create(server.dsn, contestant.database))
            own = with_database(server.dsn, contestant.database)
            requests = options.requests if contestant is SERVICE else options.requests // 10
            seen = {
                "contestant": contestant.name,
                "start": start(contestant, own, folder / "log"),
                "requests": requests,
            }
            seen |= memory(contestant, own, server.pid, folder, requests)
            if contestant.name in LOCKS:
                seen["installed"] = installed(*LOCKS[contestant.name])
            runs.append(seen)
            print(line(seen), flush=True)
    print(targets(runs[0]))
    if options.out:
        save({**occasion(), "runs": runs}, options.out)


if __name__ == "__main__":
    main()
