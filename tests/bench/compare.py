"""Compare the service with its alternatives and with the ceilings, in turns on one machine.

make bench [BENCH="--seconds 2 --rounds 3 --workloads get,list --connections 32 --only service
--durable --out FILE"]

Without options the figures are stored in results/ and shown in the README.

Each run is a few seconds of load. In each round every contestant has its turn at each workload
before the next begins, and another one goes first each round, so that other load on the machine
hits all alike. Ratios are of runs in the same round; the tables show the median of the rounds.

Each has a database of its own with the same rows on the same PostgreSQL, as many connections to it,
one worker, and a log line for each request, written to a file. The service runs as `python -m
service serve` by default.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from service.dev import postgres
from tests.conftest import with_database

from . import ceilings, fill, report
from .contestants import RAW, SERVICE, SQLMODEL, Server, constant, peer_versions, serving
from .figures import occasion, save
from .load import WORKLOADS, WRITTEN, Requests, Workload, run

CONTESTANTS = (SERVICE, SQLMODEL, RAW)
POSTGRES = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "synchronous_commit": "off",
}
"""All in memory, and no checkpoint within the bench: it would slow down one side alone. A
commit does not wait for the disk, which takes the same time for everybody, and longer than all
the rest: the bench would compare disks. `--durable` waits.
"""
SUPPLY_RATE = 8000
"""Tasks a second that can be deleted: more than any contestant manages."""


class Bench:
    """A PostgreSQL, the servers, and the runs so far."""

    def __init__(
        self,
        options: argparse.Namespace,
        folder: Path,
        server: postgres.LocalPostgres,
        stack: ExitStack,
    ) -> None:
        self.options, self.folder, self.postgres = options, folder, server
        self.requests = Requests(folder)
        self.runs: list[dict[str, Any]] = []
        self.workloads = [each for each in WORKLOADS if each.name in options.workloads]
        contestants = [each for each in CONTESTANTS if each.name in options.only]
        for each in contestants:
            asyncio.run(fill.create(server.dsn, each.database))
        if "ceilings" in options.only:
            asyncio.run(fill.copy(server.dsn, SERVICE.database, ceilings.DATABASE))
        self.next_task = fill.TASKS
        self.servers = [
            stack.enter_context(
                serving(each, with_database(server.dsn, each.database), folder / f"{each.name}.log")
            )
            for each in contestants
        ]
        self.constants: dict[str, Server] = {}
        self._prepare(stack)

    def _prepare(self, stack: ExitStack) -> None:
        self.requests.write()
        self.requests.compare(self.servers)
        service = next((each for each in self.servers if each.name == SERVICE.name), None)
        if service is None:
            self.workloads = [each for each in self.workloads if each.everybody]
            return
        self.requests.know(service)
        if "ceilings" in self.options.only:
            for name, size in self.requests.sizes.items():
                contestant = constant(size)
                server = serving(contestant, "", self.folder / f"constant-{name}.log")
                self.constants[name] = stack.enter_context(server)

    def warm_up(self) -> None:
        """Send each kind of request to each server once, so that no run pays for the first time."""
        for workload in self.workloads:
            for server in self._entitled(workload):
                self._supply(workload, 1, [server])
                run(server, self.postgres.pid, workload, self.folder, 32, 1)

    def round(self, number: int) -> None:
        """Run all workloads, each contestant in its turn."""
        for workload in self.workloads:
            for connections in self.options.connections:
                servers = self._entitled(workload)
                self._supply(workload, self.options.seconds, servers)
                for server in self._in_turn(servers, number):
                    self._note(
                        number,
                        run(
                            server,
                            self.postgres.pid,
                            workload,
                            self.folder,
                            connections,
                            self.options.seconds,
                        ),
                    )
            if "ceilings" in self.options.only and workload.name in ceilings.STATEMENTS:
                dsn, seconds = (
                    with_database(self.postgres.dsn, ceilings.DATABASE),
                    self.options.seconds,
                )
                for rate in (0.0, self._rate(workload)):
                    self._note(
                        number,
                        ceilings.pgbench(
                            dsn, self.postgres.pid, workload.name, seconds, self.folder, rate
                        ),
                    )
                if workload.name in ceilings.LOOPS:
                    self._note(
                        number, ceilings.loop(dsn, self.postgres.pid, workload.name, seconds)
                    )

    def _rate(self, workload: Workload) -> float:
        """Return the requests a second that the service answered, if possible with the connections
        that are quoted.
        """
        ours = [
            run
            for run in self.runs
            if run["contestant"] == SERVICE.name and run["workload"] == workload.name
        ]
        quoted = [run for run in ours if run["connections"] == report.HEADLINE]
        rate: float = (quoted or ours)[-1]["rate"]
        return rate

    def _entitled(self, workload: Workload) -> list[Server]:
        servers = [
            server for server in self.servers if workload.everybody or server.name == SERVICE.name
        ]
        return servers + [
            server for name, server in self.constants.items() if name == workload.name
        ]

    def _in_turn(self, servers: list[Server], number: int) -> Iterator[Server]:
        first = number % len(servers)
        yield from servers[first:] + servers[:first]

    def _supply(self, workload: Workload, seconds: int, servers: list[Server]) -> None:
        if workload.name != "delete":
            return
        count = SUPPLY_RATE * seconds
        self.requests.supply(self.next_task, count)
        for server in servers:
            own = with_database(self.postgres.dsn, server.database)
            asyncio.run(
                fill.add(own, fill.rows_of(server.database), self.next_task, count, WRITTEN)
            )
        self.next_task += count

    def _note(self, number: int, seen: dict[str, Any]) -> None:
        self.runs.append({"round": number, **seen})
        print(report.line(self.runs[-1]), flush=True)


def main() -> None:
    """Set up, run and report."""
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        durable = {"synchronous_commit": "on"} if options.durable else {}
        server = stack.enter_context(postgres.running(folder / "pg", POSTGRES | durable))
        bench = Bench(options, folder, server, stack)
        bench.warm_up()
        for number in range(options.rounds):
            bench.round(number)
    load = {"seconds": options.seconds, "rounds": options.rounds, "durable": options.durable}
    seen = {**occasion(), "peers": peer_versions(), **load, "runs": bench.runs}
    print(report.table(seen))
    if options.out:
        save(seen, options.out, report.plot(seen))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.compare", description="The comparison."
    )
    names = [each.name for each in WORKLOADS]
    everybody = [*(each.name for each in CONTESTANTS), "ceilings"]
    parser.add_argument("--seconds", type=int, default=2, help="of load in each run (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    parser.add_argument(
        "--workloads", type=_list, default=names, help=f"of {','.join(names)} (default: all)"
    )
    parser.add_argument(
        "--only", type=_list, default=everybody, help=f"of {','.join(everybody)} (default: all)"
    )
    parser.add_argument(
        "--connections", type=_numbers, default=[1, 32, 100], help="(default: 1,32,100)"
    )
    parser.add_argument("--durable", action="store_true", help="commits wait for the disk")
    parser.add_argument(
        "--out", type=Path, help="keep the figures as FILE.json and the plot as FILE.svg"
    )
    options = parser.parse_args()
    if "ceilings" in options.only and SERVICE.name not in options.only:
        parser.error("the ceilings are this service's: --only service,ceilings")
    if options.out and report.HEADLINE not in options.connections:
        parser.error(
            f"what is kept is what the README quotes: --connections with {report.HEADLINE}"
        )
    if unknown := {*options.workloads} - {*names} | {*options.only} - {*everybody}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


def _numbers(text: str) -> list[int]:
    return [*map(int, _list(text))]


def _list(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    main()
