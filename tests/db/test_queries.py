"""Run named statements for an owner, and make them fail in every way, on a real database."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import asyncpg
import pytest

from service.db.errors import QueryFailed
from service.db.queries import NOBODY, Call, Nobody, WrongRowCount
from service.owner import OwnerId
from tests.conftest import with_database
from tests.db.conftest import ALICE, Start
from tests.db.untyped import Queries, Transaction

BOB = OwnerId("bob")
SECRET = "hunter2"


async def test_each_call_returns_what_its_kind_promises(queries: Queries) -> None:
    """A row, a row or None, the rows in order, or how many were affected; each owner's own."""
    for owner, id in ((ALICE, 1), (ALICE, 2), (BOB, 1)):
        assert await queries.count("notes/add", owner, id=id, body=f"{owner} {id}") == 1
    assert (await queries.one("notes/only", ALICE, id=2))["body"] == "alice 2"
    row = await queries.maybe("notes/get", BOB, id=1)
    assert row is not None
    assert row["body"] == "bob 1"
    assert await queries.maybe("notes/get", BOB, id=2) is None
    assert [row["id"] for row in await queries.many("notes/list", ALICE)] == [2, 1]
    assert await queries.many("notes/list", OwnerId("carol")) == []
    assert (await queries.one("notes/total", NOBODY))["total"] == 3
    assert await queries.count("notes/clear", ALICE) == 2
    assert await queries.count("notes/clear", ALICE) == 0


async def test_values_are_never_part_of_the_text(queries: Queries) -> None:
    """What looks like SQL, like a parameter or like an owner comes back as it was sent."""
    for id, body in enumerate(["'; DROP TABLE notes;", ":owner_id", "$1", "\\'", "é\U0001f600"]):
        await queries.count("notes/add", ALICE, id=id, body=body)
        assert (await queries.one("notes/only", ALICE, id=id))["body"] == body
    injection = OwnerId("alice' OR 'a' = 'a")
    assert await queries.many("notes/list", injection) == []


@pytest.mark.parametrize("rows", [0, 2])
async def test_one_without_exactly_one_row_is_a_bug(queries: Queries, rows: int) -> None:
    """`one` with no row or several is reported as a bug in the statement."""
    for id in range(rows):
        await queries.count("notes/add", ALICE, id=id, body="")
    with pytest.raises(WrongRowCount, match=rf"^notes/first: {rows} rows, promised one$"):
        await queries.one("notes/first", ALICE)


async def test_maybe_with_several_rows_is_a_bug(queries: Queries) -> None:
    """`maybe` with several rows is a bug in the statement, never the first of them."""
    for id in range(2):
        await queries.count("notes/add", ALICE, id=id, body="")
    with pytest.raises(WrongRowCount, match=r"^notes/any: 2 rows, promised one at most$"):
        await queries.maybe("notes/any", ALICE)


class Pretender(str):
    """A string of another type than OwnerId."""

    __slots__ = ()


def _as_owner(owner: object) -> OwnerId:
    """What a type checker would not let through."""
    return cast("OwnerId", owner)


Ask = Callable[[Queries], Awaitable[object]]
MISFITS: dict[str, tuple[Ask, str]] = {
    "one for maybe": (
        lambda q: q.one("notes/get", ALICE, id=1),
        "notes/get returns maybe, called for one",
    ),
    "maybe for one": (
        lambda q: q.maybe("notes/only", ALICE, id=1),
        "notes/only returns one, called for maybe",
    ),
    "many for count": (
        lambda q: q.many("notes/clear", ALICE),
        "notes/clear returns count, called for many",
    ),
    "count for many": (
        lambda q: q.count("notes/list", ALICE),
        "notes/list returns many, called for count",
    ),
    "a plain string": (
        lambda q: q.many("notes/list", _as_owner(SECRET)),
        "notes/list: the owner must be an OwnerId, not str",
    ),
    "another string": (
        lambda q: q.many("notes/list", _as_owner(Pretender(SECRET))),
        "notes/list: the owner must be an OwnerId, not Pretender",
    ),
    "None": (
        lambda q: q.many("notes/list", _as_owner(None)),
        "notes/list: the owner must be an OwnerId, not NoneType",
    ),
    "nobody": (
        lambda q: q.many("notes/list", NOBODY),
        "notes/list: the owner must be an OwnerId, not Nobody",
    ),
    "an owner of what has none": (
        lambda q: q.one("notes/total", ALICE),
        "notes/total is global: call it with NOBODY",
    ),
    "missing": (lambda q: q.maybe("notes/get", ALICE), "notes/get: missing id"),
    "surplus": (lambda q: q.many("notes/list", ALICE, id=1), "notes/list: unknown id"),
    "surplus of a global one": (
        lambda q: q.one("notes/total", NOBODY, id=1),
        "notes/total: unknown id",
    ),
    "the owner by name": (
        lambda q: q.many("notes/list", ALICE, owner_id=BOB),
        "notes/list: unknown owner_id",
    ),
    "a text for a number": (
        lambda q: q.maybe("notes/get", ALICE, id=SECRET),
        "notes/get: id int4 does not take this str",
    ),
    "a number out of range": (
        lambda q: q.maybe("notes/get", ALICE, id=2**31),
        "notes/get: id int4 does not take this int",
    ),
    "None for a value": (
        lambda q: q.count("notes/add", ALICE, id=1, body=None),
        "notes/add: body text does not take this NoneType",
    ),
}


@pytest.mark.parametrize(("call", "message"), MISFITS.values(), ids=MISFITS.keys())
async def test_a_call_that_does_not_fit_is_a_type_error_and_not_sent(
    server_dsn: str, started: Start, call: Ask, message: str
) -> None:
    """A wrong kind, owner or parameter is a TypeError that names no value; no connection is opened
    for it.
    """
    async with started(server_dsn) as (queries, pool):
        with pytest.raises(TypeError) as raised:
            await call(queries)
        assert str(raised.value) == message
        assert pool.size == 0


async def test_a_call_without_an_owner_is_a_type_error(server_dsn: str, started: Start) -> None:
    """Without an owner the call is refused; a name without a file is a KeyError."""
    async with started(server_dsn) as (queries, pool):
        with pytest.raises(TypeError, match="owner"):
            await queries.many("notes/list")  # type: ignore[call-arg]
        with pytest.raises(KeyError, match="notes/absent"):
            await queries.many("notes/absent", ALICE)
        assert pool.size == 0
    assert list(Nobody) == [NOBODY]


FAILURES: dict[str, tuple[Ask, str]] = {
    "a duplicate": (
        lambda q: q.count("notes/add", ALICE, id=1, body=SECRET),
        "notes/add, SQLSTATE 23505, constraint notes_pkey",
    ),
    "a broken check": (
        lambda q: q.count("notes/add", ALICE, id=2, body=SECRET * 9),
        "notes/add, SQLSTATE 23514, constraint notes_body_length",
    ),
    "a NUL character": (
        lambda q: q.count("notes/add", ALICE, id=2, body=f"{SECRET}\0"),
        "notes/add, SQLSTATE 22021",
    ),
    "an unpaired surrogate": (
        lambda q: q.count("notes/add", ALICE, id=2, body=f"{SECRET}\ud800"),
        "notes/add, SQLSTATE 22000",
    ),
    "a value that cannot be cast": (
        lambda q: q.one("notes/cast", ALICE, text=SECRET),
        "notes/cast, SQLSTATE 22P02",
    ),
    "a value that names no table": (
        lambda q: q.one("notes/table", ALICE, text=SECRET),
        "notes/table, SQLSTATE 42P01",
    ),
    "a column that is not there": (
        lambda q: q.many("notes/lost", ALICE),
        "notes/lost, SQLSTATE 42703, sql/notes/lost.sql:5:8, column n.absent does not exist",
    ),
}


@pytest.mark.parametrize(("call", "message"), FAILURES.values(), ids=FAILURES.keys())
async def test_an_error_names_the_statement_and_no_value(
    queries: Queries, call: Ask, message: str
) -> None:
    """The message has statement, SQLSTATE, place and constraint; values, and the driver's words
    about them, stay out.
    """
    await queries.count("notes/add", ALICE, id=1, body=SECRET)
    with pytest.raises(QueryFailed) as raised:
        await call(queries)
    error = raised.value
    assert str(error) == message
    assert error.__cause__ is None
    assert error.__suppress_context__
    name, sqlstate = message.split(", ")[:2]
    assert (error.statement, f"SQLSTATE {error.sqlstate}") == (name, sqlstate)
    assert message.partition("constraint ")[2] == error.constraint
    assert len(await queries.many("notes/list", ALICE)) == 1  # the connection is as good as before


async def test_a_refused_connection_is_08006(started: Start) -> None:
    """A refused connection is reported at once, without the address."""
    async with started("postgresql://alice:hunter2@127.0.0.1:1/notes") as (queries, _):
        with pytest.raises(QueryFailed) as raised:
            await queries.many("notes/list", ALICE)
    assert raised.value.sqlstate == "08006"
    assert str(raised.value).startswith("notes/list, SQLSTATE 08006, no connection: ")
    assert SECRET not in str(raised.value)


@pytest.mark.usefixtures("straight")  # PgBouncer waits where a server refuses
async def test_a_missing_database_is_08006(notes: str, started: Start) -> None:
    """A server that refuses the connection counts as unavailable, with its SQLSTATE in the
    message.
    """
    async with started(with_database(notes, "absent")) as (queries, _):
        with pytest.raises(
            QueryFailed,
            match=r"^notes/list, SQLSTATE 08006, no connection: InvalidCatalogNameError 3D000$",
        ):
            await queries.many("notes/list", ALICE)


async def test_a_server_that_never_answers_is_53300(started: Start) -> None:
    """A connection that is accepted and never answered is given up after the acquire timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"postgresql://alice@127.0.0.1:{silent.getsockname()[1]}/notes?sslmode=disable"
        async with started(dsn, db_acquire_timeout=0.05) as (queries, _):
            with pytest.raises(
                QueryFailed, match=r"^notes/list, SQLSTATE 53300, no connection: TimeoutError$"
            ):
                await queries.many("notes/list", ALICE)


async def test_an_exhausted_pool_is_53300(notes: str, started: Start) -> None:
    """Nobody waits longer for a connection than the acquire timeout, and the pool works on when one
    comes back.
    """
    async with started(notes, db_pool_max=1, db_acquire_timeout=0.05) as (queries, pool):
        async with pool.connection(5):
            with pytest.raises(
                QueryFailed, match=r"^notes/list, SQLSTATE 53300, no connection: TimeoutError$"
            ):
                await queries.many("notes/list", ALICE)
        assert await queries.many("notes/list", ALICE) == []


async def test_a_statement_that_is_too_slow_is_57014(notes: str, started: Start) -> None:
    """The client's timeout and the server's are the same SQLSTATE, and the connection serves the
    next statement.
    """
    async with started(notes, db_pool_max=1, db_statement_timeout=0.5) as (queries, pool):
        with pytest.raises(QueryFailed, match=r"^notes/sleep, SQLSTATE 57014, TimeoutError$"):
            await queries.one("notes/sleep", ALICE, seconds=30.0)
        assert await queries.many("notes/list", ALICE) == []
        assert pool.size == 1
    async with started(notes, db_pool_max=1) as (queries, pool):
        async with pool.connection(5) as connection:
            await connection.execute("SET statement_timeout = '50ms'")
        with pytest.raises(QueryFailed, match=r"^notes/sleep, SQLSTATE 57014$"):
            await queries.one("notes/sleep", ALICE, seconds=30.0)
        assert await queries.many("notes/list", ALICE) == []


SLEEPING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
)


async def sleeper(observer: asyncpg.Connection) -> int:
    """The backend that runs pg_sleep, as soon as there is one."""
    async with asyncio.timeout(10):
        while (pid := await observer.fetchval(SLEEPING)) is None:
            await asyncio.sleep(0.01)
    return cast("int", pid)


async def test_a_cancelled_call_gives_its_connection_back(notes: str, started: Start) -> None:
    """Cancelling the caller cancels the statement on the server, is no QueryFailed, and loses no
    connection.
    """
    async with started(notes, db_pool_max=1, db_acquire_timeout=2) as (queries, pool):
        running = asyncio.create_task(queries.one("notes/sleep", ALICE, seconds=30.0))
        observer = await asyncpg.connect(notes)
        await sleeper(observer)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await queries.many("notes/list", ALICE) == []
        assert await observer.fetchval(SLEEPING) is None
        await observer.close()
        assert pool.idle == pool.size


async def test_the_server_shows_a_statements_name(notes: str, started: Start) -> None:
    """The header travels with the text, so that what the server shows of a session begins with the
    statement's name.
    """
    async with started(notes) as (queries, _):
        await queries.many("notes/list", ALICE)
        observer = await asyncpg.connect(notes)
        shown = await observer.fetchval(
            "SELECT query FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'task-service'"
        )
        await observer.close()
    assert shown.startswith("-- notes/list: ")


async def test_every_try_is_observed(notes: str, queries: Queries, observed: list[Call]) -> None:
    """The observer gets each statement that was tried: its name, times, rows and SQLSTATE."""
    await queries.count("notes/add", ALICE, id=1, body="")
    await queries.many("notes/list", ALICE)
    with pytest.raises(QueryFailed):
        await queries.count("notes/add", ALICE, id=1, body="")
    told = [(call.name, call.rows, call.sqlstate) for call in observed]
    assert told == [("notes/add", 1, ""), ("notes/list", 1, ""), ("notes/add", 0, "23505")]
    assert all(call.began < call.acquired < call.ended for call in observed)


async def test_a_try_without_a_connection_is_observed(started: Start, observed: list[Call]) -> None:
    """Each try is observed; without a connection `acquired` equals `ended`."""
    async with started("postgresql://alice@127.0.0.1:1/notes") as (queries, _):
        with pytest.raises(QueryFailed):
            await queries.many("notes/list", ALICE)
    assert [(call.rows, call.sqlstate, call.acquired == call.ended) for call in observed] == [
        (0, "08006", True)
    ] * 3


async def test_the_pool_reports_its_numbers(notes: str, started: Start) -> None:
    """The pool reports how many connections are open, used and idle, and how many callers wait for
    one.
    """
    async with started(notes, db_pool_max=1) as (_, pool):
        assert (pool.size, pool.in_use, pool.idle, pool.waiting) == (0, 0, 0, 0)
        async with pool.connection(5):
            waiter = asyncio.create_task(pool.acquire(5))
            await asyncio.sleep(0)
            assert (pool.size, pool.in_use, pool.idle, pool.waiting) == (1, 1, 0, 1)
        connection = await waiter
        pool.release(connection)
        assert (pool.size, pool.in_use, pool.idle, pool.waiting) == (1, 0, 1, 0)


@pytest.mark.parametrize("transaction", [False, True])
async def test_owners_wait_in_turn(notes: str, started: Start, transaction: bool) -> None:
    """An owner with one request waits for one of an owner with many, not for all of them."""
    served: list[str] = []

    async def work(tx: Transaction) -> None:
        await tx.many("notes/list")

    async def ask(owner: OwnerId) -> None:
        if transaction:
            await queries.transaction(owner, work)
        else:
            await queries.many("notes/list", owner)
        served.append(owner)

    async with started(notes, db_pool_max=1) as (queries, pool):
        async with asyncio.TaskGroup() as group, pool.connection(5):
            for owner in [ALICE] * 20 + [BOB]:
                group.create_task(ask(owner))
            await asyncio.sleep(0)
            assert pool.waiting == 21
        assert served == [ALICE, BOB] + [ALICE] * 19
