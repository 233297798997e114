"""The report of the comparison: tables and targets."""

from typing import Any, NamedTuple

from .contestants import POOL
from .figures import Key, Runs
from .load import WORKLOADS
from .plot import bars

HEADLINE = 32
"""Connections at which the cost of a request is quoted: enough to keep a server busy, few enough to
be a usual day.
"""
FIGURES = {
    "rate": "{:8.0f}/s",
    "p50": "p50 {:8.2f} ms",
    "p99": "p99 {:8.2f} ms",
    "cpu": "app {:7.1f} us",
    "database": "database {:6.1f} us",
}


def line(run: dict[str, Any]) -> str:
    """Return the line of one run."""
    figures = "  ".join(form.format(run[name]) for name, form in FIGURES.items() if name in run)
    return (
        f"{run['round']}  {run['workload']:10} {run['connections']:3}  {run['contestant']:10}"
        f" {figures}"
    )


def table(seen: dict[str, Any]) -> str:
    """Return a table of all runs."""
    runs = Runs(seen["runs"])
    connections = sorted({key.connections for key in runs.keys if key.contestant == "service"})
    parts = [
        (
            f"{seen['date']}, {seen['machine']}; {seen['rounds']} rounds of {seen['seconds']} s;"
            " medians"
        ),
        _costs(runs),
        *(_speeds(runs, each) for each in connections),
        "\n".join(map(str, targets(runs))),
    ]
    return "\n\n".join(part for part in parts if part)


def _costs(runs: Runs) -> str:
    """Return what a request costs."""
    app = ("service", "sqlmodel", "ratio", "raw", "ratio")
    database = ("service", "sqlmodel", "raw", "paced", "ratio", "pgbench", "loop")
    lines = [
        f"CPU for each request at {HEADLINE} connections, in us: app | database",
        row("", [*(f"{name:>9}" for name in app), " |", *(f"{name:>9}" for name in database)]),
    ]
    for workload in runs.workloads:
        ours, sqlmodel, raw = (
            Key(name, workload, HEADLINE) for name in ("service", "sqlmodel", "raw")
        )
        paced, pgbench, loop = (Key(name, workload, POOL) for name in ("paced", "pgbench", "loop"))
        costs = [runs.median("cpu", ours)]
        for peer in (sqlmodel, raw):
            costs += runs.median("cpu", peer), runs.ratio("cpu", peer, ours)
        work = [runs.median("database", key) for key in (ours, sqlmodel, raw, paced)]
        work += (
            runs.ratio("database", ours, paced),
            runs.median("database", pgbench),
            runs.median("database", loop),
        )
        lines.append(row(workload, [*map(cell, costs), " |", *map(cell, work)]))
    return "\n".join(lines)


def _speeds(runs: Runs, connections: int) -> str:
    """Return requests a second and latencies."""
    contestants = ("service", "sqlmodel", "raw", "constant")
    title = f"Requests/s and p99 in ms at {connections} connections"
    lines = [title, row("", [f"{name:>20}" for name in contestants])]
    for workload in runs.workloads:
        keys = [Key(name, workload, connections) for name in contestants]
        cells = [
            cell(runs.median("rate", key), 11, 0) + cell(runs.median("p99", key)) for key in keys
        ]
        lines.append(row(workload, cells))
    return "\n".join(lines)


def row(name: str, cells: list[str]) -> str:
    """Return a line of a table."""
    return f"{name:10}{''.join(cells)}".rstrip()


def cell(value: float | None, width: int = 9, digits: int = 2) -> str:
    """Return a figure, or as much space."""
    return " " * width if value is None else f"{value:{width}.{digits}f}"


class Aim(NamedTuple):
    """A target for a figure."""

    what: str
    seen: float | None
    bound: float
    least: bool = True
    """Or at most."""

    @property
    def met(self) -> bool:
        """Return whether the target is met."""
        seen = self.seen or 0.0
        return seen >= self.bound if self.least else seen <= self.bound

    @property
    def wanted(self) -> str:
        """Return the bound in a few words."""
        return f"{'at least' if self.least else 'at most'} {self.bound:g}"

    def __str__(self) -> str:
        return (
            f"{'met   ' if self.met else 'missed'} {self.seen or 0.0:7.2f} {self.wanted:13}"
            f" {self.what}"
        )


def targets(runs: Runs) -> list[Aim]:
    """Return the targets of what was measured, met or missed."""
    aims: list[Aim] = []
    for name, bound in (("session", 1.35), ("get", 2.6)):
        ratio = runs.ratio("cpu", Key("service", name, HEADLINE), Key("constant", name, HEADLINE))
        aims.append(
            Aim(f"CPU, of Starlette answering a constant: {name}", ratio, bound, least=False)
        )
    for peer, title, bounds in (
        ("raw", "FastAPI + asyncpg", (3.2, 2.8, 2.2, 2.8, 3)),
        ("sqlmodel", "FastAPI + SQLModel", (7.5, 8, 6, 10, 9)),
    ):
        for name, bound in zip(("get", "list", "create", "patch", "mixed"), bounds, strict=True):
            ratio = runs.ratio("cpu", Key(peer, name, HEADLINE), Key("service", name, HEADLINE))
            aims.append(Aim(f"CPU of {title}, of ours: {name}", ratio, bound))
    for name in ("get", "list", "create", "patch", "mixed"):
        ratio = runs.ratio("p99", Key("sqlmodel", name, 100), Key("service", name, 100))
        what = f"p99 of FastAPI + SQLModel at 100 connections, of ours: {name}"
        aims.append(Aim(what, ratio, 10))
    for name in runs.workloads:
        ratio = runs.ratio("database", Key("service", name, HEADLINE), Key("paced", name, POOL))
        aims.append(Aim(f"Database's CPU, of pgbench's: {name}", ratio, 1.3, least=False))
    for name in ("unchanged", "nothing"):
        share = _share(runs, name, "list")
        aims.append(Aim(f"CPU of app and database, of a list's: {name}", share, 0.5, least=False))
    return [aim for aim in aims if aim.seen is not None]


def plot(seen: dict[str, Any]) -> str:
    """Plot the service's CPU of each workload, side by side."""
    runs = Runs(seen["runs"])
    contestants = {
        "service": "this service",
        "raw": "FastAPI + asyncpg",
        "sqlmodel": "FastAPI + SQLModel",
    }
    titles = {workload.name: workload.title for workload in WORKLOADS}
    groups = {
        titles[each]: {
            title: runs.median("cpu", Key(name, each, HEADLINE))
            for name, title in contestants.items()
        }
        for each in runs.workloads
    }
    return bars(
        f"CPU of the application for each request, {HEADLINE} connections (µs)",
        groups,
        f"{seen['date']} · {seen['machine']} · {seen['rounds']} rounds of {seen['seconds']} s in"
        " turns, medians",
    )


def _share(runs: Runs, part: str, whole: str) -> float | None:
    costs = [
        runs.median(figure, Key("service", name, HEADLINE))
        for name in (part, whole)
        for figure in ("cpu", "database")
    ]
    app, database, whole_app, whole_database = (cost or 0.0 for cost in costs)
    return None if None in costs else (app + database) / (whole_app + whole_database)
