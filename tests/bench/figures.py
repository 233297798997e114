"""The results of a bench: when and where, and each run."""

import json
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from os import cpu_count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple


class Key(NamedTuple):
    """What identifies a run, except its round."""

    contestant: str
    workload: str
    connections: int


class Runs:
    """Runs, with their medians and ratios."""

    def __init__(self, runs: Iterable[dict[str, Any]]) -> None:
        self._by_key: dict[Key, dict[int, dict[str, Any]]] = {}
        for run in runs:
            key = Key(run["contestant"], run["workload"], run["connections"])
            self._by_key.setdefault(key, {})[run["round"]] = run
        self.keys = list(self._by_key)
        self.workloads = [*dict.fromkeys(key.workload for key in self.keys)]

    def median(self, figure: str, key: Key) -> float | None:
        """Return the median of the rounds, or None without such a run."""
        values = [run[figure] for run in self._by_key.get(key, {}).values() if figure in run]
        return median(values) if values else None

    def ratio(self, figure: str, above: Key, below: Key) -> float | None:
        """Return the median of the ratios within the rounds."""
        upper, lower = self._by_key.get(above, {}), self._by_key.get(below, {})
        values = [
            upper[number][figure] / lower[number][figure] for number in upper.keys() & lower.keys()
        ]
        return median(values) if values else None


def occasion() -> dict[str, Any]:
    """Return when and where the bench runs."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{cpu_count()} cores, {models[0] if models else platform.machine()}",
        "python": platform.python_version(),
        "versions": {
            name: version(name)
            for name in ("starlette", "uvicorn", "uvloop", "asyncpg", "pydantic", "msgspec")
        },
    }


def save(seen: dict[str, Any], path: Path, picture: str = "") -> None:
    """Write the figures as JSON, one run a line, and the plot beside them, if there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps(
        {name: value for name, value in seen.items() if name != "runs"}, indent=1
    ).removesuffix("\n}")
    runs = ",\n  ".join(json.dumps(run) for run in seen["runs"])
    path.with_suffix(".json").write_text(f'{head},\n "runs": [\n  {runs}\n ]\n}}\n')
    if picture:
        path.with_suffix(".svg").write_text(picture)
