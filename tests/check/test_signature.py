"""Headers that are not true."""

from collections.abc import Awaitable, Callable
from typing import TypedDict
from uuid import UUID

import asyncpg
import pytest

from service.check import Fault, check
from service.check.models import faults as answer_faults
from service.db.statements import shipped
from tests.check.playground import made
from tests.conftest import report_on

FaultsOf = Callable[..., Awaitable[tuple[Fault, ...]]]
T = "FROM tasks AS t WHERE t.owner_id = :owner_id"
KEY = "AND t.id = :id"
INDEX = "-- index:   tasks_pkey\n"
P = "owner_id text, id uuid"

WRONG = {
    "parameter type": (
        f"SELECT t.id {T} {KEY}",
        "maybe (id uuid)",
        "owner_id text, id text",
        "parameter",
        "write `id uuid`",
    ),
    "column type": (
        f"SELECT t.version {T} {KEY}",
        "maybe (version int4)",
        P,
        "columns",
        "returns version int8",
    ),
    "column name": (
        f"SELECT t.id {T} {KEY}",
        "maybe (task_id uuid)",
        P,
        "columns",
        "returns id uuid",
    ),
    "column order": (
        f"SELECT t.title, t.id {T} {KEY}",
        "maybe (id uuid, title text)",
        P,
        "columns",
        "title text, id uuid",
    ),
    "column missing": (
        f"SELECT t.id, t.title {T} {KEY}",
        "maybe (id uuid)",
        P,
        "columns",
        "id uuid, title text",
    ),
    "count with columns": (f"SELECT t.id {T} {KEY}", "count", P, "columns", "leave RETURNING out"),
    "columns without returning": (
        f"DELETE {T} {KEY}",
        "maybe (id uuid)",
        P,
        "columns",
        "returns no columns",
    ),
    "nullable column": (
        f"SELECT t.description {T} {KEY}",
        "maybe (description text)",
        P,
        "nullable",
        "`description text?`",
    ),
    "column that is not nullable": (
        f"SELECT t.title {T} {KEY}",
        "maybe (title text?)",
        P,
        "nullable",
        "without `?`",
    ),
    "null of an outer join": (
        (
            "SELECT n.id FROM tasks AS t LEFT JOIN notes AS n ON n.owner_id = :owner_id AND"
            f" n.task_id = t.id WHERE t.owner_id = :owner_id {KEY}"
        ),
        "many (id uuid)",
        P,
        "nullable",
        "`id uuid?`",
    ),
    "null of a strict operator": (
        f"SELECT t.description || 'x' AS d {T} {KEY}",
        "maybe (d text)",
        P,
        "nullable",
        "`d text?`",
    ),
    "count is never null": (
        f"SELECT count(*) AS n {T}",
        "one (n int8?)",
        "owner_id text",
        "nullable",
        "without `?`",
    ),
    "null in a union arm": (
        f"SELECT t.title {T} UNION ALL SELECT t.description {T}",
        "many (title text)",
        "owner_id text",
        "nullable",
        "`title text?`",
    ),
    "maybe more than one": (
        f"SELECT t.id {T}",
        "maybe (id uuid)",
        "owner_id text",
        "rows",
        "there can be more rows",
    ),
    "one or none": (f"SELECT t.id {T} {KEY}", "one (id uuid)", P, "rows", "write `maybe`"),
    "half a key": (
        f"SELECT t.id {T} AND t.created_at = now()",
        "maybe (id uuid)",
        "owner_id text",
        "rows",
        "search by a whole unique key",
    ),
    "key of the preserved side": (
        (
            "SELECT t.id FROM tasks AS t LEFT JOIN notes AS n ON n.owner_id = :owner_id AND n.id ="
            " :id AND t.id = :id WHERE t.owner_id = :owner_id"
        ),
        "maybe (id uuid)",
        P,
        "rows",
        "there can be more rows",
    ),
    "one and its ties": (
        f"SELECT t.id {T} ORDER BY t.created_at FETCH FIRST 1 ROW WITH TIES",
        "maybe (id uuid)",
        "owner_id text",
        "rows",
        "there can be more rows",
    ),
    "limit zero": (
        f"SELECT count(*) AS n {T} LIMIT 0",
        "one (n int8)",
        "owner_id text",
        "rows",
        "write `maybe`",
    ),
    "star": (
        f"SELECT ▸* FROM (SELECT t.id {T} {KEY}) AS s",
        "maybe (id uuid)",
        P,
        "star",
        "name the columns",
    ),
    "star of a table": (
        f"SELECT s.▸* FROM (SELECT t.id {T} {KEY}) AS s",
        "maybe (id uuid)",
        P,
        "star",
        "name the columns",
    ),
    "returning star": (
        "DELETE FROM ledgers AS o WHERE o.owner_id = :owner_id RETURNING ▸*",
        "maybe (owner_id text, sequence int8, open int8, note text?)",
        "owner_id text",
        "star",
        "name the columns",
    ),
    "syntax": (f"SELECT t.id, ▸{T}", "many (id uuid)", "owner_id text", "sql", "syntax error"),
    "unknown column": (
        f"SELECT ▸t.nothing {T}",
        "many (nothing text)",
        "owner_id text",
        "sql",
        "does not exist",
    ),
}


@pytest.mark.parametrize(("sql", "returns", "params", "rule", "says"), WRONG.values(), ids=WRONG)
async def test_a_header_that_differs_from_the_server_is_the_only_fault(
    sql: str, returns: str, params: str, rule: str, says: str, faults_of: FaultsOf
) -> None:
    """A header that differs from what the server says is the only fault found, with what to write
    instead.
    """
    statement, places = made(sql, returns, params)
    faults = [fault for fault in await faults_of(statement) if fault.rule != "index"]
    assert [fault.rule for fault in faults] == [rule]
    assert says in faults[0].text
    header_line = 2 if rule == "parameter" else 3
    assert faults[0].where == (places[0] if places else f"sql/made/up.sql:{header_line}:1")


RIGHT = [
    (f"SELECT t.description {T} AND t.description IS NOT NULL", "many (description text)"),
    (f"SELECT coalesce(t.description, '') AS d {T}", "many (d text)"),
    (f"SELECT t.version * 2 AS twice, count(*) OVER () AS n {T}", "many (twice int8, n int8)"),
    (f"SELECT t.id {T} LIMIT 1", "maybe (id uuid)"),
    (f"SELECT max(t.version) AS top {T}", "one (top int8?)"),
    (f"SELECT t.id, n.total FROM (SELECT count(*) AS total {T}) AS n LEFT JOIN (SELECT t.id {T} {KEY}) AS t ON true",
     "one (id uuid?, total int8)"),
    (
        f"SELECT t.completed, count(*) AS n {T} GROUP BY GROUPING SETS ((t.completed), ())",
        "many (completed bool?, n int8)",
    ),
    (f"SELECT EXISTS (SELECT 1 {T}) AS any", "one (any bool)"),
    (f"SELECT (SELECT count(*) {T}) AS n", "one (n int8)"),
    ("SELECT o.note FROM ledgers AS o JOIN tasks AS t ON t.owner_id = o.owner_id AND t.id = :id WHERE o.owner_id = :owner_id",
     "maybe (note text?)"),
    (f"UPDATE tasks AS t SET title = 'x' WHERE t.owner_id = :owner_id {KEY} RETURNING t.id", "maybe (id uuid)"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "returns"), RIGHT)
async def test_rows_and_nulls_are_derived_through_joins_and_aggregates(
    sql: str, returns: str, faults_of: FaultsOf
) -> None:
    """Rows and NULLs are derived through joins, aggregates, keys and sub-selects."""
    statement, _ = made(sql, returns)
    assert [fault.text for fault in await faults_of(statement) if fault.rule != "index"] == []


async def test_an_index_that_the_plan_does_not_use_is_a_fault(faults_of: FaultsOf) -> None:
    """The header's index must be one that the plan reads by."""
    statement, _ = made(
        f"SELECT t.id {T} {KEY}", "maybe (id uuid)", more="-- index:   tasks_newest\n"
    )
    [fault] = await faults_of(statement)
    assert fault == Fault("made/up", "sql/made/up.sql:4:1", "index", fault.text)
    assert "tasks_newest is not used; the plan uses tasks_pkey" in fault.text


@pytest.mark.parametrize("owners", [1, 3, 2000])
async def test_the_verdict_does_not_depend_on_statistics(
    owners: int, database: str, connection: asyncpg.Connection
) -> None:
    """The verdict is the same whatever rows there are: with few rows an owner the planner may take
    any index.
    """
    await connection.execute(
        "INSERT INTO owners (owner_id) SELECT 'owner-' || n FROM generate_series(1, $1::int) AS n",
        owners,
    )
    await connection.execute(
        "INSERT INTO tasks (owner_id, id, title, sequence) SELECT o.owner_id, gen_random_uuid(),"
        " 'x', 1 FROM owners AS o"
    )
    await connection.execute("ANALYZE")
    assert (await report_on(database)).faults == ()


async def test_an_index_that_does_not_exist_is_a_fault(connection: asyncpg.Connection) -> None:
    """With statistics too, an index that the header names must be a valid one of a table that is
    read.
    """
    await connection.execute("ANALYZE tasks")
    statement, _ = made(
        f"SELECT t.id {T} {KEY}", "maybe (id uuid)", more="-- index:   tasks_gone\n"
    )
    [fault] = (
        (await check(connection, {statement.name: statement}, checks=shipped()))
        .statements[0]
        .faults
    )
    assert "tasks_gone is not used; the plan uses tasks_" in fault.text


async def test_an_index_that_the_header_omits_is_a_fault(faults_of: FaultsOf) -> None:
    """A statement that reads by an index says so."""
    [fault] = await faults_of(made(f"SELECT t.id {T} {KEY}", "maybe (id uuid)")[0])
    assert "write `index: tasks_pkey`" in fault.text


class Answer(TypedDict):
    """What a handler could build."""

    id: UUID
    title: str


@pytest.mark.parametrize(
    ("returns", "says"),
    [
        ("maybe (id uuid, title text)", ""),
        ("maybe (id uuid, title text, more int8?)", ""),
        ("many (id uuid?, title text?)", ""),
        ("maybe (id uuid)", "no such column: return title"),
        ("maybe (id text, title text)", "the column is text"),
        ("maybe (id uuid, title text?)", "add `| None`"),
    ],
)
def test_an_answer_column_must_fit_the_handler(returns: str, says: str) -> None:
    """The columns must fit what the handler builds; a list may have NULLs where a row is absent."""
    statement, _ = made(f"SELECT t.id {T}", returns)
    texts = [fault.text for fault in answer_faults(statement, Answer)]
    assert [says in text for text in texts] == [True] * bool(says)
