"""What a request costs as the tables grow from 100 thousand to 10 million tasks, for small owners
and ones with 200,000.

make bench-growth [GROWTH="--seconds 1 --rounds 5 --sizes 100k,1m,10m --out FILE"]

The sizes take turns, each with a service of its own on one PostgreSQL that has room for all of it
in memory. One connection sends one request after the other, so that nothing waits. The plans of all
statements are looked at along the way: when the server knows nothing of the tables, when what it
knows is of a tenth of the rows, and when it knows all.
"""

import argparse
import asyncio
import random
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from service.db import SQL
from service.db.statements import load
from service.dev import postgres
from service.migrate.migrations import migrate
from tests.conftest import with_database
from tests.plans import MODES, plan_of, values_for

from . import fill, report
from .contestants import SERVICE, Server, serving
from .figures import Key, Runs, occasion, save
from .load import WORKLOADS, Crowd, Requests, run
from .plot import lines

POSTGRES = {
    "fsync": "off",
    "shared_buffers": "6GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "30min",
    "autovacuum": "off",
}
SMALL = 200
"""Tasks of an owner."""
LARGE, LARGE_OWNERS = 200_000, 2
"""Tasks of each of the first two owners, where there is room for them: one is written to, one is
quiet.
"""
SIZES = {"100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}
WANTED = ("get", "list", "unchanged", "nothing", "create", "patch")
BATCH = 1_000_000
FIGURES = {
    "cost": "CPU of app and database for a request, us",
    "database": "Of it the database's",
    "p50": "Median ms",
}


@dataclass
class Size:
    """A database of one size, and its owners."""

    name: str
    tasks: int

    def __post_init__(self) -> None:
        large = LARGE * LARGE_OWNERS if self.tasks > LARGE * LARGE_OWNERS else 0
        self.small = self.tasks - large
        self.owners = self.small // SMALL
        pick = random.Random(1).sample(
            range(LARGE_OWNERS, self.owners), min(1000, self.owners - LARGE_OWNERS)
        )
        share = len(pick) * 4 // 5
        self.crowds = {"": Crowd(self.owners, SMALL, pick[:share], pick[share:])}
        if large:
            self.crowds["large"] = Crowd(LARGE_OWNERS, LARGE, [0], [1], first=self.small)

    async def fill(self, dsn: str) -> dict[str, list[str]]:
        """Create the database; return the plans that differ from the headers, by the state of the
        statistics.
        """
        administration = await asyncpg.connect(dsn)
        await administration.execute(f"CREATE DATABASE size_{self.name}")
        await administration.close()
        own = with_database(dsn, f"size_{self.name}")
        await migrate(own)
        connection = await asyncpg.connect(own)
        await connection.execute(
            "SET statement_timeout = 0; SET work_mem = '512MB'; SET maintenance_work_mem = '1GB'"
        )
        # Row by row into the indexes takes five times as long: the largest gets them afterwards.
        definitions = await _drop_indexes(connection) if self.tasks > BATCH else []
        tenth, strange = self.small // 10, {}
        await self._add(connection, 0, tenth)
        if not definitions:
            strange["none"] = await self._strange(connection)
            await connection.execute("VACUUM ANALYZE")
        await self._add(connection, tenth, self.small - tenth)
        if large := self.crowds.get("large"):
            await connection.execute(fill.SERVICE, large.first, LARGE * LARGE_OWNERS, LARGE_OWNERS)
        for definition in definitions:
            await connection.execute(definition)
        await connection.execute(fill.REST.format(every=20))
        strange["none" if definitions else "a tenth"] = await self._strange(connection)
        await connection.execute("VACUUM ANALYZE")
        strange["all"] = await self._strange(connection)
        await connection.close()
        return strange

    async def _add(self, connection: asyncpg.Connection, first: int, count: int) -> None:
        for start in range(first, first + count, BATCH):
            await connection.execute(
                fill.SERVICE, start, min(BATCH, first + count - start), self.owners
            )

    async def _strange(self, connection: asyncpg.Connection) -> list[str]:
        """Return the statements that would read by other indexes than their headers', for a small
        or a large owner.
        """
        found = []
        for statement in load(SQL).values():
            if statement.header.global_because is not None:
                continue
            for crowd in self.crowds.values():
                owner = crowd.written[0]
                task = crowd.task(owner, random.Random(1))
                values = values_for(statement, fill.owner_id(owner), task, sequence=crowd.each)
                for mode in MODES:
                    plan = await plan_of(connection, statement, values, mode)
                    if plan.indexes - {*statement.header.indexes} or "Seq Scan" in plan.scans:
                        found.append(
                            f"{statement.name}: {', '.join(sorted(plan.indexes | plan.scans))}"
                        )
        return [*dict.fromkeys(found)]


async def _drop_indexes(connection: asyncpg.Connection) -> list[str]:
    """Drop the indexes of tasks, and return the statements that create them again."""
    key = await connection.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'tasks_pkey'"
    )
    others = await connection.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM"
        " pg_index WHERE indrelid = 'tasks'::regclass AND NOT indisprimary"
    )
    await connection.execute("ALTER TABLE tasks DROP CONSTRAINT tasks_pkey")
    for other in others:
        await connection.execute(f"DROP INDEX {other['name']}")
    return [
        f"ALTER TABLE tasks ADD CONSTRAINT tasks_pkey {key}",
        *(other["definition"] for other in others),
    ]


@dataclass(frozen=True)
class Case:
    """One size and one kind of owner, ready for load."""

    name: str
    server: Server
    folder: Path


def _cases(size: Size, server: Server, folder: Path) -> list[Case]:
    cases = []
    for kind, crowd in size.crowds.items():
        case = Case(f"{size.name} {kind}".strip(), server, folder / f"{size.name}{kind}")
        case.folder.mkdir()
        requests = Requests(case.folder, crowd)
        requests.write()
        requests.know(server)
        cases.append(case)
    return cases


def _measure(cases: list[Case], postmaster: int, rounds: int, seconds: int) -> list[dict[str, Any]]:
    """Run all workloads on all cases in turn."""
    workloads = [workload for workload in WORKLOADS if workload.name in WANTED]
    for workload in workloads:
        for case in cases:
            run(case.server, postmaster, workload, case.folder, 1, 1)
    runs = []
    for number in range(rounds):
        for workload in workloads:
            first = number % len(cases)
            for case in cases[first:] + cases[:first]:
                seen = run(case.server, postmaster, workload, case.folder, 1, seconds)
                seen |= {
                    "round": number,
                    "contestant": case.name,
                    "cost": round(seen["cpu"] + seen["database"], 2),
                }
                runs.append(seen)
                print(report.line(seen), flush=True)
    return runs


def table(seen: dict[str, Any]) -> str:
    """Return costs by size, their growth, and plans that differ from the headers."""
    runs = Runs(seen["runs"])
    names = [*dict.fromkeys(key.contestant for key in runs.keys)]
    parts = [
        (
            f"{seen['date']}, {seen['machine']}; {seen['rounds']} rounds of {seen['seconds']} s, "
            "1 connection; medians"
        )
    ]
    for figure, title in FIGURES.items():
        cells = {
            each: [report.cell(runs.median(figure, Key(name, each, 1)), 12) for name in names]
            for each in runs.workloads
        }
        rows = [report.row(each, row) for each, row in cells.items()]
        parts.append("\n".join([title, report.row("", [f"{name:>12}" for name in names]), *rows]))
    first, last = names[0], [name for name in names if "large" not in name][-1]
    aims = []
    for each in ("get", "list", "create", "patch"):
        grown = runs.ratio("cost", Key(last, each, 1), Key(first, each, 1))
        aims.append(report.Aim(f"cost at {last} / at {first}, {each}", grown, 1.2, least=False))
    for each in ("unchanged", "nothing"):
        shares = [runs.ratio("cost", Key(name, each, 1), Key(name, "list", 1)) for name in names]
        aims.append(
            report.Aim(
                f"cost of {each} / of a list, at worst",
                max(share or 0.0 for share in shares),
                0.5,
                least=False,
            )
        )
    parts.append("\n".join(map(str, aims)))
    parts += [
        f"plans at {size}, statistics of {known}: "
        + ("; ".join(strange) or "all by the indexes of the headers")
        for size, states in seen["plans"].items()
        for known, strange in states.items()
    ]
    return "\n\n".join(parts)


def plot(seen: dict[str, Any]) -> str:
    """Plot cost against size."""
    runs = Runs(seen["runs"])
    names = [
        name for name in dict.fromkeys(key.contestant for key in runs.keys) if "large" not in name
    ]
    titles = {workload.name: workload.title for workload in WORKLOADS}
    series = {
        titles[each]: [runs.median("cost", Key(name, each, 1)) or 0.0 for name in names]
        for each in runs.workloads
    }
    return lines(
        "CPU of a request, service and database together, by the number of tasks in the table (µs)",
        [f"{SIZES[name]:,} tasks" for name in names],
        series,
        f"{seen['date']} · {seen['machine']} · 1 connection, {seen['rounds']} rounds, medians",
    )


def main() -> None:
    """Fill, measure and report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.growth", description="What a request costs as the tables grow."
    )
    parser.add_argument("--seconds", type=int, default=1, help="of load in each run (default: 1)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: 5)")
    parser.add_argument(
        "--sizes",
        type=lambda text: text.split(","),
        default=[*SIZES],
        help=f"of {','.join(SIZES)} (default: all)",
    )
    parser.add_argument(
        "--out", type=Path, help="keep the figures as FILE.json and the plot as FILE.svg"
    )
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        database = stack.enter_context(postgres.running(folder / "pg", POSTGRES))
        plans, cases = {}, []
        for name in options.sizes:
            size = Size(name, SIZES[name])
            plans[name] = asyncio.run(size.fill(database.dsn))
            print(f"{name}: filled", flush=True)
            contestant = replace(SERVICE, database=f"size_{name}")
            own = with_database(database.dsn, contestant.database)
            server = stack.enter_context(serving(contestant, own, folder / f"{name}.log"))
            cases += _cases(size, server, folder)
        runs = _measure(cases, database.pid, options.rounds, options.seconds)
    seen = {
        **occasion(),
        "seconds": options.seconds,
        "rounds": options.rounds,
        "plans": plans,
        "runs": runs,
    }
    print(table(seen))
    if options.out:
        save(seen, options.out, plot(seen))


if __name__ == "__main__":
    main()
