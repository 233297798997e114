"""Every owner's statement runs on its owner's shard alone, or is refused."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from service.check import Report
from tests.check.playground import made

ReportOf = Callable[..., Awaitable[Report]]
INSERT = "INSERT INTO tasks AS t (owner_id, id, title, sequence)"


class Split(NamedTuple):
    """A statement that does not go to one shard, and what is said of it at the mark."""

    sql: str
    says: str
    returns: str = "count"
    rule: str = "shard"


SPLIT = {
    "an INSERT in a CTE": Split(
        f"WITH made AS ({INSERT} VALUES (:owner_id, :id, 't', 1) RETURNING t.id)"
        " SELECT m.id FROM made AS m",
        "an INSERT in a CTE",
        "one (id uuid)",
    ),
    "an INSERT with a CTE": Split(
        "WITH a AS (SELECT o.owner_id FROM ledgers AS o WHERE o.owner_id = :owner_id)"
        f" {INSERT} SELECT a.owner_id, :id, 't', 1 FROM a",
        "an INSERT with a CTE",
    ),
    "an INSERT from a query with a CTE": Split(
        f"{INSERT} (WITH a AS (SELECT o.owner_id FROM ledgers AS o WHERE o.owner_id = :owner_id)"
        " SELECT a.owner_id, :id::uuid, 't', 1 FROM a)",
        "an INSERT with a CTE",
    ),
    "$1 as the owner of an INSERT … SELECT": Split(
        f"{INSERT} SELECT :owner_id, n.id, 't', 1 FROM notes AS n WHERE n.owner_id = :owner_id",
        "takes owner_id from an owned table's column",
    ),
    "$1 in one arm": Split(
        f"{INSERT} SELECT n.owner_id, n.id, 't', 1 FROM notes AS n WHERE n.owner_id = :owner_id"
        " UNION ALL SELECT :owner_id::text, :id::uuid, 't', 1",
        "takes owner_id from an owned table's column",
    ),
    "$1 without a table": Split(
        f"{INSERT} SELECT :owner_id, :id::uuid, 't', 1",
        "takes owner_id from an owned table's column",
    ),
    "a sub-select as a value": Split(
        f"{INSERT} VALUES (:owner_id, :id, ▸(SELECT o.note FROM ledgers AS o WHERE o.owner_id ="
        " :owner_id), 1)",
        "a sub-select in an INSERT",
    ),
    "a sub-select as a value of several rows": Split(
        f"{INSERT} VALUES (:owner_id, :id, 't', 1), (:owner_id, :id, ▸(SELECT o.note FROM ledgers"
        " AS o WHERE o.owner_id = :owner_id), 1)",
        "a sub-select in an INSERT",
    ),
    "a sub-select in ON CONFLICT": Split(
        "INSERT INTO ledgers AS b (owner_id) VALUES (:owner_id) ON CONFLICT (owner_id) DO UPDATE SET"
        " open = ▸(SELECT count(*) FROM notes AS n WHERE n.owner_id = :owner_id)",
        "a sub-select in an INSERT",
    ),
    "now() in ON CONFLICT": Split(
        f"{INSERT} VALUES (:owner_id, :id, 't', 1) ON CONFLICT (owner_id, id) DO UPDATE SET"
        " updated_at = ▸now()",
        "now() is not IMMUTABLE",
    ),
    "current_timestamp in ON CONFLICT": Split(
        f"{INSERT} VALUES (:owner_id, :id, 't', 1) ON CONFLICT (owner_id, id) DO UPDATE SET"
        " updated_at = ▸current_timestamp",
        "a value of the clock",
    ),
    "a VOLATILE function in UPDATE": Split(
        "UPDATE tasks AS t SET title = ▸gen_random_uuid()::text WHERE t.owner_id = :owner_id",
        "gen_random_uuid() is VOLATILE",
    ),
    "a VOLATILE function in UPDATE's condition": Split(
        "UPDATE tasks AS t SET title = 'x' WHERE t.owner_id = :owner_id AND t.version > ▸random()",
        "random() is VOLATILE",
    ),
    "a STABLE function of a column in UPDATE": Split(
        "UPDATE tasks AS t SET title = ▸to_char(t.created_at, 'YYYY') WHERE t.owner_id = :owner_id",
        "to_char(timestamp with time zone,text) is STABLE",
    ),
    "a STABLE operator of a column in UPDATE": Split(
        "UPDATE tasks AS t SET updated_at = t.created_at ▸+ interval '1 day' WHERE t.owner_id ="
        " :owner_id",
        "is STABLE",
    ),
    "a STABLE function of a column in a CTE's UPDATE": Split(
        "WITH u AS (UPDATE tasks AS t SET title = ▸concat(t.title, 'x') WHERE t.owner_id = :owner_id"
        " RETURNING t.id) SELECT u.id FROM u",
        'concat("any") is STABLE',
        "many (id uuid)",
    ),
    "a locking CTE over two tables": Split(
        "WITH both_of_them AS (SELECT t.id FROM tasks AS t JOIN notes AS n ON n.owner_id ="
        " t.owner_id AND n.task_id = t.id WHERE t.owner_id = :owner_id FOR UPDATE)"
        " SELECT b.id FROM both_of_them AS b",
        "a CTE that locks rows reads one table",
        "many (id uuid)",
    ),
    "a locking CTE with a sub-select": Split(
        "WITH l AS (SELECT t.id FROM tasks AS t WHERE t.owner_id = :owner_id AND t.id IN (SELECT"
        " n.task_id FROM notes AS n WHERE n.owner_id = :owner_id) FOR UPDATE OF t)"
        " SELECT l.id FROM l",
        "a CTE that locks rows reads one table",
        "many (id uuid)",
    ),
    "MERGE": Split(
        "MERGE INTO tasks AS t USING notes AS n ON t.owner_id = :owner_id AND t.id = n.id WHEN"
        " MATCHED THEN DELETE",
        "MERGE can't be proven",
        rule="opaque",
    ),
    "an owned and a global table": Split(
        "SELECT t.id FROM tasks AS t, ▸migration_checksums AS m WHERE t.owner_id = :owner_id",
        "migration_checksums has no owner",
        "many (id uuid)",
        rule="opaque",
    ),
}


@pytest.mark.parametrize("case", SPLIT.values(), ids=SPLIT)
async def test_a_statement_that_leaves_its_shard_is_refused(
    case: Split, report_of: ReportOf
) -> None:
    """What takes a statement off its owner's shard is reported at its place, with the cure."""
    statement, places = made(case.sql, case.returns)
    [checked] = (await report_of(statement)).statements
    faults = [fault for fault in checked.faults if fault.rule == case.rule]
    assert [fault for fault in faults if case.says in fault.text], checked.faults
    assert not places or places[0] in {fault.where for fault in faults}
    assert checked.shard == "✗"
    assert (checked.owner == "✓") == ({fault.rule for fault in checked.faults} == {"shard"})


WHOLE = {
    "VALUES": f"{INSERT} VALUES (:owner_id, :id, 't', 1)",
    "VALUES of a function": f"{INSERT} VALUES (:owner_id, gen_random_uuid(), now()::text, 1)",
    "several rows": f"{INSERT} VALUES (:owner_id, :id, 't', 1), (:owner_id, :id, 'u', 2)",
    "ON CONFLICT": (
        f"{INSERT} VALUES (:owner_id, :id, 't', 1) ON CONFLICT (owner_id, id) DO UPDATE SET title ="
        " upper(EXCLUDED.title) || t.title WHERE t.version < 9"
    ),
    "SELECT of an owned table's owner": (
        f"{INSERT} SELECT n.owner_id, n.id, 't', 1 FROM notes AS n WHERE n.owner_id = :owner_id"
    ),
    "SELECT of that through a sub-select": (
        f"{INSERT} SELECT s.owner_id, s.id, 't', 1 FROM (SELECT n.owner_id, n.id FROM notes AS n"
        " WHERE n.owner_id = :owner_id) AS s"
    ),
    "UPDATE by the clock": (
        "UPDATE tasks AS t SET updated_at = greatest(t.updated_at, now()) WHERE t.owner_id ="
        " :owner_id"
    ),
    "writing and locking CTEs": (
        "WITH l AS (SELECT o.open FROM ledgers AS o WHERE o.owner_id = :owner_id FOR UPDATE),"
        " gone AS (DELETE FROM notes AS n USING l WHERE n.owner_id = :owner_id RETURNING n.id)"
        " UPDATE tasks AS t SET title = 'x' FROM gone WHERE t.owner_id = :owner_id AND t.id ="
        " gone.id"
    ),
}


@pytest.mark.parametrize("sql", WHOLE.values(), ids=WHOLE)
async def test_a_statement_on_one_shard_passes(sql: str, report_of: ReportOf) -> None:
    """What goes whole to one shard passes."""
    statement, _ = made(sql, "count")
    [checked] = (await report_of(statement)).statements
    assert [fault for fault in checked.faults if fault.rule != "index"] == []
