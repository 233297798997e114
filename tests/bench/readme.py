"""The figures in README.md, made from the stored results: `python -m tests.bench.readme` writes
them.
"""

import json
from pathlib import Path
from typing import Any

from .contestants import POOL
from .figures import Key, Runs
from .load import WORKLOADS
from .report import HEADLINE, targets

README, RESULTS = Path(__file__).with_name("README.md"), Path(__file__).parent / "results"
BEGIN, END = (
    "<!-- figures: `make bench` and its sisters write them -->\n",
    "<!-- end of the figures -->\n",
)
CONTESTANTS = {
    "service": "this service",
    "raw": "FastAPI + asyncpg",
    "sqlmodel": "FastAPI + SQLModel",
}


def figures() -> str:
    """Return all figures as Markdown."""
    return f"\n{_comparison(_read('compare'))}\n\n{_growth(_read('growth'))}\n\n{_footprint(_read('footprint'))}\n\n"


def _read(name: str) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return seen


def _comparison(seen: dict[str, Any]) -> str:
    runs = Runs(seen["runs"])
    names = " | ".join(CONTESTANTS.values())
    lines = [
        (
            f"{seen['date']}, {seen['machine']}; {seen['rounds']} rounds of {seen['seconds']} s in"
            " turns, medians."
        ),
        (
            f"Microseconds of CPU for a request at {HEADLINE} connections, of the application and"
            " of our database, beside what"
        ),
        "`pgbench -M prepared` needs for the same statement at the same rate:",
        "",
        f"| | {names} | our database |",
        f"|---|{'--:|' * (len(CONTESTANTS) + 1)}",
    ]
    for workload in WORKLOADS:
        ours = Key("service", workload.name, HEADLINE)
        cells = []
        for name in CONTESTANTS:
            key = Key(name, workload.name, HEADLINE)
            cells.append(
                _times(
                    runs.median("cpu", key), None if key == ours else runs.ratio("cpu", key, ours)
                )
            )
        cells.append(
            _times(
                runs.median("database", ours),
                runs.ratio("database", ours, Key("paced", workload.name, POOL)),
                2,
            )
        )
        lines.append(f"| {workload.title} | {' | '.join(cells)} |")
    lines += [
        "",
        "Requests a second, and the 99th percentile in ms, at 100 connections:",
        "",
        f"| | {names} |",
        "|---|--:|--:|--:|",
    ]
    for workload in WORKLOADS:
        cells = []
        for name in CONTESTANTS:
            rate, p99 = (
                runs.median(figure, Key(name, workload.name, 100)) for figure in ("rate", "p99")
            )
            cells.append("" if rate is None or p99 is None else f"{rate:,.0f}/s · {p99:,.0f} ms")
        lines.append(f"| {workload.title} | {' | '.join(cells)} |")
    lines += ["", "What was aimed at:", "", "| ratio | seen | aim | |", "|---|--:|---|---|"]
    lines += [
        f"| {aim.what} | {aim.seen:.2f} | {aim.wanted} | {'met' if aim.met else 'missed'} |"
        for aim in targets(runs)
    ]
    return "\n".join(lines)


def _times(value: float | None, ratio: float | None, digits: int = 1) -> str:
    times = "" if ratio is None else f" ({ratio:.{digits}f} x)"
    return "" if not value else f"{value:,.0f}{times}"


def _growth(seen: dict[str, Any]) -> str:
    runs = Runs(seen["runs"])
    names = [*dict.fromkeys(key.contestant for key in runs.keys)]
    titles = {workload.name: workload.title for workload in WORKLOADS}
    lines = [
        (
            "Microseconds of CPU for a request, of application and database together, by the number"
            " of tasks in the table"
        ),
        (
            f"({seen['date']}, 1 connection; `large` is an owner with 200,000 tasks, the others"
            " have 200):"
        ),
        "",
        f"| | {' | '.join(names)} |",
        f"|---|{'--:|' * len(names)}",
    ]
    for each in runs.workloads:
        first = Key(names[0], each, 1)
        keys = [Key(name, each, 1) for name in names]
        cells = [
            _times(
                runs.median("cost", key),
                None if key == first else runs.ratio("cost", key, first),
                2,
            )
            for key in keys
        ]
        lines.append(f"| {titles[each]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _footprint(seen: dict[str, Any]) -> str:
    ours, sqlmodel = seen["runs"][0], seen["runs"][1]
    lines = [
        (
            f"The first answer comes {ours['start']:.2f} s after the start of the process, the"
            f" peer's {sqlmodel['start']:.2f} s."
        ),
        (
            f"A worker takes {ours['rest']:.0f} MiB at rest, {ours['warm']:.0f} MiB warm, and"
            f" {ours['after']:.0f} MiB"
        ),
        (
            f"after {ours['requests']:,} requests more. What is installed has"
            f" {ours['installed']:.0f} MiB ({seen['date']})."
        ),
    ]
    return "\n".join(lines)


def write() -> None:
    """Write the figures into the README."""
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(f"{before}{BEGIN}{figures()}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    write()
