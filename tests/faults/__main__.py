"""The long form: every scenario, and a table of what was seen. `python -m tests.faults [name
…]`.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults import scenarios, sieges
from tests.faults.measurements import Figure
from tests.faults.site import Server

Scenario = Callable[..., Coroutine[Any, Any, list[Figure]]]

LONG: dict[str, tuple[str, Scenario]] = {
    "terminated": (
        "all sessions ended every 2 s for 60 s",
        partial(scenarios.terminated, seconds=60, every=2),
    ),
    "crashed": ("a crash restart, then 5 s without a server", partial(scenarios.crashed, outage=5)),
    "stopped": (
        "all of the server's processes stopped for 10 s",
        partial(scenarios.stopped, seconds=10),
    ),
    "severed": (
        "connections cut every 0.1 s for 20 s",
        partial(scenarios.severed, seconds=20, every=0.1),
    ),
    "swallowed": ("a network that swallows all for 10 s", partial(scenarios.swallowed, seconds=10)),
    "full": ("no connection to be had for 5 s", partial(scenarios.full, seconds=5)),
    "read_only": (
        "a server that may not be written to for 5 s",
        partial(scenarios.read_only, seconds=5),
    ),
    "pooled": (
        "a PgBouncer between: its sessions ended, itself stopped, ended, replaced",
        partial(scenarios.pooled, seconds=20),
    ),
    "crowded": ("200 clients, 5 connections, slow statements", partial(sieges.crowded, seconds=20)),
    "gone": ("10,000 clients that go away", partial(sieges.gone, clients=10_000)),
}


def main(names: list[str]) -> int:
    """Run the scenarios of these names, or all. 1 if a figure is not as it must be."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        for name in names or LONG:
            title, scenario = LONG[name]
            print(f"\n{title}", flush=True)
            for figure in asyncio.run(scenario(server, Path(folder), slack=0.0)):
                failed += not figure.holds
                print(
                    f"  {'ok ' if figure.holds else 'NOT'} {figure.what:<45} {figure.seen}",
                    flush=True,
                )
    print("\nall as it must be" if not failed else f"\n{failed} figures are not as they must be")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
