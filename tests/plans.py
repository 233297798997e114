"""How the server would run a statement, and what it touches when it does: for the guard of costs
and for the bench.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg

from service.db.statement import Statement

MODES = ("force_generic_plan", "force_custom_plan")
"""What a prepared statement can get: a plan for all values, or one for the values at hand."""


class Plan(NamedTuple):
    """A plan, and how many blocks its run touched: 0 where it was not run."""

    nodes: list[dict[str, Any]]
    blocks: int

    @property
    def indexes(self) -> set[str]:
        """The indexes that are scanned."""
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    @property
    def scans(self) -> set[str]:
        """How tables are read."""
        readers = (
            "Seq Scan",
            "Index Scan",
            "Index Only Scan",
            "Bitmap Heap Scan",
            "Bitmap Index Scan",
            "Tid Scan",
        )
        return {node["Node Type"] for node in self.nodes if node["Node Type"] in readers}


async def plan_of(
    connection: asyncpg.Connection,
    statement: Statement,
    values: Mapping[str, object],
    mode: str,
    *,
    run: bool = False,
) -> Plan:
    """The plan for these values by parameter; with `run` the statement is run, and taken back."""
    options = "ANALYZE, BUFFERS, TIMING off, FORMAT JSON" if run else "FORMAT JSON"
    literals = ", ".join(_literal(values[parameter.name]) for parameter in statement.parameters)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
        await connection.execute(f"PREPARE planned AS {statement.text}")
        explained = json.loads(
            await connection.fetchval(f"EXPLAIN ({options}) EXECUTE planned({literals})")
        )
    finally:
        await transaction.rollback()
        await connection.execute("DEALLOCATE planned")
    top = explained[0]["Plan"]
    return Plan(
        list(_below(top)), top.get("Shared Hit Blocks", 0) + top.get("Shared Read Blocks", 0)
    )


def values_for(statement: Statement, owner: str, task: str, *, sequence: int) -> dict[str, object]:
    """What the statement is planned and run with: a task in the middle of the owner's, whose
    sequence stands there.
    """
    values: dict[str, object] = {
        "owner_id": owner,
        "id": uuid4() if statement.name == "tasks/create" else task,
        "key": "a new one",
        "fingerprint": bytes(32),
        "status": 201,
        "headers": "[]",
        "body": "{}",
        "open": 1,
        "bytes": 8,
        "version": 1,
        "sequence": 10**9,
        "title": "Buy milk",
        "description": None,
        "completed": None,
        "page_size": 51,
        "skip": 0,
        "created_at": "2026-01-01 03:00:00Z",
        "patch": '{"completed": true}',
        "wanted": None,
        "unwanted": "[]",
        "max_tasks": None,
        "max_bytes": None,
        "after": sequence,
        "deleted_after": 0,
        "priority": "medium",
        "tags": "{}",
        "due_at": None,
        "due_all_day": False,
        "time_zone": None,
        "recurrence": None,
        "position": None,
        "size": 8,
        "tag": None,
        "due_after": None,
        "due_before": None,
        "words": "{%milk%}",
        "sort": "due_date",
        "rank": -1,
        "number": "-infinity",
        "letters": "",
        "before": sequence,
        "at_most": 10,
        "ids": f"{{{task}}}",
    }
    given = {"completed bool": False, "completed int8": 0}  # where null will not do
    for parameter in map(str, statement.parameters):
        if parameter in given:
            values["completed"] = given[parameter]
    return values


def _below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _below(each)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    text = f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
