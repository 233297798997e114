"""What the database can do with the service's statements alone: pgbench, and a bare loop on
asyncpg.

Both work on a copy of the service's database with as many connections as the service's pool, on
prepared statements.
"""

import asyncio
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import uvloop

from service.db import SQL
from service.db.statements import load
from service.dev.programs import account_for, binaries_for

from .contestants import POOL, ROOT
from .fill import FIRST_OWNER, OWNERS, QUIET, TASKS_EACH, task_id
from .processes import Backends

DATABASE = "ceiling"
WRITTEN = OWNERS - QUIET
TITLE, DESCRIPTION = "Buy milk and bread", "Two litres, the one with the blue cap"

TASK = {"id": "lpad(:n, 32, '0')::uuid"}
NEW = {
    "id": "uuidv7()",
    "completed": "false",
    "tags": "'{}'::text[]",
    **dict.fromkeys(("due_at", "time_zone", "recurrence", "position"), "NULL"),
    "due_all_day": "false",
}
COUNTED = {"completed": "0", "max_tasks": "NULL", "max_bytes": "NULL"}
TOP = {"created_at": "'9999-12-31Z'::timestamptz", "id": f"'{UUID(int=2**128 - 1)}'::uuid"}


class Step(NamedTuple):
    """A statement of a workload, and what stands for parameters that pgbench has no value for: it
    knows numbers and texts, no NULL and no uuid, and makes a parameter of each place, whose types
    may differ. The numbers of fill.py become a task's id in the statement, which costs next to
    nothing.
    """

    name: str
    stand_ins: Mapping[str, str]


class Ceiling(NamedTuple):
    """The owners of a workload, from and to, and its statements: several are a transaction, in
    which each knows what those before it have returned.
    """

    first: int
    last: int
    steps: tuple[Step, ...]


STATEMENTS: Mapping[str, Ceiling] = {
    "get": Ceiling(0, OWNERS - 1, (Step("tasks/get", TASK),)),
    "list": Ceiling(0, OWNERS - 1, (Step("tasks/list", {"completed": "NULL", **TOP}),)),
    "unchanged": Ceiling(WRITTEN, OWNERS - 1, (Step("owners/get", {}),)),
    "nothing": Ceiling(WRITTEN, OWNERS - 1, (Step("changes/list", {}),)),
    "create": Ceiling(
        0, WRITTEN - 1, (Step("owners/lock_create", COUNTED), Step("tasks/create", NEW))
    ),
    "patch": Ceiling(
        0,
        WRITTEN - 1,
        (Step("tasks/change", {**TASK, "wanted": "NULL", "max_bytes": "NULL"}),),
    ),
}
LOOPS = ("get", "list", "create", "patch")
CONSTANTS = {
    "title": TITLE,
    "description": DESCRIPTION,
    "priority": "medium",
    "open": "1",
    "bytes": str(len(TITLE) + len(DESCRIPTION)),
    "size": str(len(TITLE) + len(DESCRIPTION)),
    "version": "1",
    "page_size": "51",
    "skip": "0",
    "after": str(TASKS_EACH),
    "deleted_after": str(TASKS_EACH),
    "patch": '{"completed": true}',
    "unwanted": "[]",
}


NUMBERS = ("page_size", "skip", "after", "deleted_after", "open", "bytes", "size", "version")
"""Those of CONSTANTS that are numbers to the driver."""
COMPLETED = {"owners/lock_create": 0, "tasks/create": False}
"""What one parameter is, by statement: a number of tasks, whether a task is done, or a filter."""


def pgbench(
    dsn: str, postmaster: int, workload: str, seconds: int, folder: Path, rate: float = 0.0
) -> dict[str, Any]:
    """Run the workload's statements with pgbench, at a rate or as fast as it can.

    A backend that sleeps between statements pays for waking up, and finds cold caches: with pauses
    a statement costs up to three times as much. So costs compare at the same rate.
    """
    first, last, steps = STATEMENTS[workload]
    statements = []
    for step in steps:
        statement = (SQL / f"{step.name}.sql").read_text().rstrip().removesuffix(";")
        for parameter, expression in step.stand_ins.items():
            statement = re.sub(rf"(?<!:):{parameter}\b", expression, statement)
        statements.append(f"{statement}\n\\gset\n" if step is not steps[-1] else f"{statement};\n")
    if len(steps) > 1:
        statements = ["BEGIN;\n", *statements, "COMMIT;\n"]
    draws = {
        "o": f"random({first}, {last})",
        "owner_id": f"{FIRST_OWNER} + :o",
        "n": f"random(0, {TASKS_EACH - 1}) * {OWNERS} + :o",
    }
    script = folder / f"{workload}.pgbench"
    script.write_text(
        "".join(f"\\set {name} {draw}\n" for name, draw in draws.items()) + "".join(statements)
    )
    program = binaries_for(account_for(folder)) / "pgbench"
    command = [str(program), "-n", "-M", "prepared", "-f", str(script), f"-c{POOL}", f"-T{seconds}"]
    command += [f"-D{constant}={value}" for constant, value in CONSTANTS.items()]
    command += [f"-R{rate:.0f}"] if rate else []
    with Backends(postmaster, DATABASE, ending=True) as backends:
        output = _output([*command, dsn], seconds + 60)
    done = int(re.search(r"processed: (\d+)", output)[1])  # type: ignore[index]
    reached = float(re.search(r"tps = ([\d.]+)", output)[1])  # type: ignore[index]
    return _seen("paced" if rate else "pgbench", workload, done, reached, backends)


def loop(dsn: str, postmaster: int, workload: str, seconds: int) -> dict[str, Any]:
    """Run the workload's statements in a process that does nothing else."""
    command = [sys.executable, "-m", "tests.bench.ceilings", dsn, workload, str(seconds)]
    with Backends(postmaster, DATABASE, ending=True) as backends:
        said = json.loads(_output(command, seconds + 60))
    return _seen("loop", workload, said["done"], said["rate"], backends) | {
        "cpu": round(said["cpu"], 2)
    }


def _output(command: list[str], limit: int) -> str:
    process = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=limit
    )
    if process.returncode:
        raise RuntimeError(f"{command[0]}: {process.stderr[-1000:]}")
    return process.stdout


def _seen(
    contestant: str, workload: str, done: int, rate: float, backends: Backends
) -> dict[str, Any]:
    return {
        "contestant": contestant,
        "workload": workload,
        "connections": POOL,
        "requests": done,
        "rate": round(rate, 1),
        "database": round(backends.seconds / done * 1e6, 2),
    }


def _arguments(workload: str) -> Callable[[], dict[str, Any]]:
    pick = random.Random(1)
    first, last, _ = STATEMENTS[workload]

    def draw() -> dict[str, Any]:
        owner = pick.randint(first, last)
        task = UUID(task_id(pick.randrange(TASKS_EACH) * OWNERS + owner))
        return {
            **CONSTANTS,
            **{name: int(CONSTANTS[name]) for name in NUMBERS},
            "owner_id": str(FIRST_OWNER + owner),
            "id": {"create": uuid4(), "list": UUID(int=2**128 - 1)}.get(workload, task),
            "created_at": datetime.max.replace(tzinfo=UTC),
            "tags": [],
            "due_all_day": False,
        }

    return draw


async def _loop(dsn: str, workload: str, seconds: float) -> dict[str, float]:
    draw, done = _arguments(workload), 0
    statements = [load(SQL)[step.name] for step in STATEMENTS[workload].steps]

    async def work() -> None:
        nonlocal done
        connection = await asyncpg.connect(dsn)
        prepared = [await connection.prepare(statement.text) for statement in statements]
        while time.perf_counter() < end:
            values = draw()
            if len(prepared) > 1:
                await connection.execute("BEGIN")
            for statement, runs in zip(statements, prepared, strict=True):
                values["completed"] = COMPLETED.get(statement.name)
                rows = await runs.fetch(*[values.get(each.name) for each in statement.parameters])
                if runs is not prepared[-1]:
                    values |= dict(rows[0])
            if len(prepared) > 1:
                await connection.execute("COMMIT")
            done += 1
        await connection.close()

    began, used, end = time.perf_counter(), time.process_time(), time.perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        for _ in range(POOL):
            group.create_task(work())
    used, took = time.process_time() - used, time.perf_counter() - began
    return {"done": done, "rate": done / took, "cpu": used / done * 1e6}


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_loop(sys.argv[1], sys.argv[2], float(sys.argv[3])))))
