"""The consequences of database errors for a statement: each error is a real one."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import psycopg
import pytest
import uvloop

from service.db.errors import QueryFailed
from service.db.queries import Call
from service.dev import postgres
from tests.conftest import administer, with_database
from tests.db.conftest import ALICE, Start
from tests.db.untyped import Queries
from tests.faults.wire import Wire

pytestmark = pytest.mark.usefixtures("straight")  # a pooler has faults of its own, and hides these

Ask = Callable[[Queries], Coroutine[Any, Any, Any]]

# Names for the table below.
READ: Ask = lambda q: q.many("notes/list", ALICE)  # noqa: E731
ADD: Ask = lambda q: q.count("notes/add", ALICE, id=1, body="tea")  # noqa: E731
STORE: Ask = lambda q: q.count("notes/store", ALICE, id=1, body="tea")  # noqa: E731
NAP: Ask = lambda q: q.one("notes/sleep", ALICE, seconds=0.3)  # noqa: E731
BREW: Ask = lambda q: q.count("notes/brew", ALICE, id=1, seconds=0.3)  # noqa: E731

OTHERS = (
    "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND"
    " backend_type = 'client backend'"
)
KILL = f"SELECT pg_terminate_backend(pid, 5000) FROM {OTHERS}"


async def failure_of(call: Awaitable[object]) -> QueryFailed:
    """How the call fails."""
    with pytest.raises(QueryFailed) as raised:
        await call
    return raised.value


def tries(observed: list[Call]) -> list[str]:
    """The outcome of each try."""
    return [call.sqlstate for call in observed]


# Connecting: nothing was sent, whatever it was.


@pytest.mark.parametrize("ask", [READ, ADD])
async def test_a_refused_connection_is_tried_three_times(
    started: Start, observed: list[Call], ask: Ask
) -> None:
    """A refused connection is tried three times; nothing was changed."""
    async with started("postgresql://alice@127.0.0.1:1/notes") as (queries, _):
        error = await failure_of(ask(queries))
    assert (error.unknown, tries(observed)) == (False, ["08006"] * 3)


async def test_a_server_that_refuses_tls_counts_as_away(
    notes: str, started: Start, observed: list[Call]
) -> None:
    """A server that refuses TLS is unavailable for a client that wants it."""
    async with (
        Wire(notes).laid() as wire,
        started(wire.dsn.replace("disable", "require")) as (queries, _),
    ):
        error = await failure_of(ADD(queries))
    assert (error.unknown, tries(observed)) == (False, ["08006"] * 3)


async def test_too_many_clients_is_tried_again(
    notes: str, started: Start, observed: list[Call]
) -> None:
    """SQLSTATE 53300 (too many clients) passes, so it is tried again."""
    role = f"crowd_{uuid4().hex}"
    administer(
        notes, f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0", f"GRANT ALL ON notes TO {role}"
    )
    try:
        async with started(notes.replace("postgres@", f"{role}@", 1)) as (queries, _):
            assert "TooManyConnectionsError 53300" in str(await failure_of(ADD(queries)))
            assert tries(observed) == ["08006"] * 3
            waiting = asyncio.create_task(ADD(queries))
            await asyncio.sleep(0)
            administer(notes, f"ALTER ROLE {role} CONNECTION LIMIT 1")
            assert await waiting == 1
    finally:
        administer(notes, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


async def test_a_missing_database_is_tried_once(
    notes: str, started: Start, observed: list[Call]
) -> None:
    """A database that does not exist is tried once."""
    async with started(with_database(notes, "absent")) as (queries, _):
        error = await failure_of(ADD(queries))
    assert (error.unknown, tries(observed)) == (False, ["08006"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[postgres.LocalPostgres]:
    """A server that a test may shut down."""
    with postgres.running(tmp_path / "pg", {"fsync": "off"}) as server:
        yield server


async def test_a_server_that_shuts_down_counts_as_away(
    server: postgres.LocalPostgres, started: Start
) -> None:
    """A server that accepts no new connections (57P03) is unavailable."""
    async with started(server.dsn) as (queries, _):
        # A smart shutdown waits for this client
        with contextlib.closing(psycopg.connect(server.dsn)):
            os.kill(server.pid, signal.SIGTERM)
            for _ in range(200):
                error = await failure_of(READ(queries))
                if "CannotConnectNowError 57P03" in str(error):
                    break
            else:
                pytest.fail("it went on taking clients")
        assert not error.unknown


# Losing a connection that was had.


@pytest.mark.parametrize("ask", [READ, ADD])
async def test_sessions_ended_while_idle_are_replaced(notes: str, started: Start, ask: Ask) -> None:
    """Connections that died between two statements are replaced, and no request fails."""
    async with started(notes, db_pool_max=3) as (queries, pool):
        await pool.warm(3, 5)
        administer(notes, KILL)
        assert await ask(queries) in ([], 1)
        assert (pool.size, pool.in_use) == (1, 0)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("pause", [None, 0.0])
@pytest.mark.parametrize("ask", [READ, ADD])
def test_a_statement_on_an_ended_session_runs_on_another(
    notes: str,
    started: Start,
    observed: list[Call],
    ask: Ask,
    pause: float | None,
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A statement on a session that had ended unnoticed was not sent, and runs on another."""

    async def used() -> None:
        async with started(notes, db_pool_max=1) as (queries, pool):
            await pool.warm(1, 5)
            administer(notes, KILL)  # without letting the event loop run
            if pause is not None:
                await asyncio.sleep(pause)
            assert await ask(queries) in ([], 1)
        assert len(observed) <= 2

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(used())


@pytest.mark.parametrize(("ask", "answer"), [(NAP, None), (BREW, 1)])
async def test_a_session_ended_during_a_statement_is_tried_again(
    notes: str, started: Start, observed: list[Call], ask: Ask, answer: int | None
) -> None:
    """A server that ends a session (57P01) has undone what ran: it is tried again."""
    async with started(notes) as (queries, _):
        running = asyncio.create_task(ask(queries))
        await until(notes, "wait_event = 'PgSleep'")
        administer(notes, KILL)
        result = await running
        assert answer is None or result == answer
        assert tries(observed) == ["57P01", ""]
        assert len(await queries.many("notes/list", ALICE)) == (answer or 0)


async def until(dsn: str, condition: str) -> None:
    """Wait until another session in that database has this state."""
    async with asyncio.timeout(10):
        connection = await asyncpg.connect(dsn)
        while not await connection.fetchval(f"SELECT count(*) FROM {OTHERS} AND {condition}"):
            await asyncio.sleep(0.005)
        await connection.close()


@pytest.fixture
async def wire(notes: str) -> AsyncIterator[Wire]:
    async with Wire(notes).laid() as wire:
        yield wire


DONE = b"INSERT 0 1\x00"


async def test_a_read_with_a_lost_answer_is_tried_again(
    wire: Wire, started: Start, observed: list[Call]
) -> None:
    """A read whose answer was lost is sent again."""
    async with started(wire.dsn) as (queries, _):
        await queries.count("notes/add", ALICE, id=1, body="tea")
        wire.cut_at = b"SELECT 1\x00"
        assert len(await READ(queries)) == 1
    assert (wire.cuts, tries(observed)) == (1, ["", "08003", ""])


async def test_a_write_with_a_lost_answer_is_unknown_and_not_repeated(
    wire: Wire, started: Start, observed: list[Call]
) -> None:
    """A write whose answer was lost may have been made: it is not tried again."""
    async with started(wire.dsn) as (queries, _):
        wire.cut_at = DONE
        error = await failure_of(ADD(queries))
        assert (error.unknown, str(error)) == (True, "notes/add, SQLSTATE 08003, outcome unknown")
        assert (wire.cuts, tries(observed)) == (1, ["08003"])
        assert len(await READ(queries)) == 1


async def test_a_repeatable_write_with_a_lost_answer_is_tried_again(
    wire: Wire, started: Start, observed: list[Call]
) -> None:
    """A write whose header says `repeatable` is sent again."""
    async with started(wire.dsn) as (queries, _):
        wire.cut_at = DONE
        assert await STORE(queries) == 1
    assert (wire.cuts, tries(observed)) == (1, ["08003", ""])


async def test_an_unknown_outcome_stays_unknown_if_the_retry_fails(
    wire: Wire, started: Start, observed: list[Call]
) -> None:
    """If the second try does not even connect, the first one may still have been carried out."""
    async with started(wire.dsn) as (queries, _):
        await queries.many("notes/list", ALICE)
        wire.cut_at, wire.refuse = DONE, True
        error = await failure_of(STORE(queries))
    assert error.unknown
    assert tries(observed) == ["", "08003", "08006", "08006"]


@pytest.mark.parametrize("ask", [READ, ADD, STORE])
async def test_an_answer_cut_at_any_byte_is_read_again_or_unknown(
    wire: Wire, started: Start, ask: Ask
) -> None:
    """Wherever an answer is cut, a read gets its answer, and a write is whole, absent, or of
    unknown outcome.
    """
    async with started(wire.dsn, db_pool_max=1) as (queries, _):
        for position in range(0, 60, 2):
            await queries.count("notes/clear", ALICE)
            wire.cut_after = position
            try:
                known = await ask(queries) in ([], 1)
            except QueryFailed as error:
                assert error.unknown
                known = False
            wire.cut_after = None
            there = len(await READ(queries))
            assert there in ({0} if ask is READ else {1} if known else {0, 1})
    assert wire.cuts > 10


async def test_an_answer_may_come_byte_by_byte(
    wire: Wire, started: Start, observed: list[Call]
) -> None:
    """An answer may come in any pieces, however slowly."""
    wire.drip, wire.latency = True, 0.01
    async with started(wire.dsn) as (queries, _):
        assert await ADD(queries) == 1
        assert len(await READ(queries)) == 1
    assert tries(observed) == ["", ""]


# What the server says.


async def test_a_read_only_server_makes_the_pool_reconnect(
    notes: str, started: Start, observed: list[Call]
) -> None:
    """Read-only (25006), as after a fail-over: other connections are opened, though not for each
    refusal; nothing was changed.
    """
    async with Wire(notes).laid() as wire, started(wire.dsn, db_pool_max=2) as (queries, pool):
        administer(
            notes,
            f"ALTER DATABASE {urlsplit(notes).path[1:]} SET default_transaction_read_only = on",
        )
        await pool.warm(2, 5)
        error = await failure_of(ADD(queries))
        assert (error.unknown, error.sqlstate, tries(observed)) == (False, "25006", ["25006"] * 3)
        assert await READ(queries) == []
        for _ in range(5):
            await failure_of(ADD(queries))
        assert wire.taken < 10


async def test_a_session_without_the_prepared_statement_is_replaced(
    notes: str, started: Start, observed: list[Call]
) -> None:
    """A session that lacks the prepared statement (26000) is replaced by a new one."""
    async with started(notes, db_pool_max=1) as (queries, pool):
        await READ(queries)
        async with pool.connection(5) as connection:
            await connection.execute("DEALLOCATE ALL")
        assert await READ(queries) == []
    assert tries(observed) == ["", "26000", ""]


async def test_a_changed_result_type_is_prepared_anew(
    notes: str, started: Start, observed: list[Call]
) -> None:
    """A result of another type than the plan's (0A000) is asked for again by the driver."""
    async with started(notes, db_pool_max=1) as (queries, _):
        await READ(queries)
        administer(notes, "ALTER TABLE notes ALTER id TYPE bigint")
        assert await READ(queries) == []
    assert tries(observed) == ["", ""]


async def test_a_deadlock_is_tried_again(notes: str, started: Start, observed: list[Call]) -> None:
    """The statement that PostgreSQL ended (40P01) is tried again."""
    async with started(notes) as (queries, _):
        for id in (1, 2):
            await queries.count("notes/add", ALICE, id=id, body="")
        other = await asyncpg.connect(notes)
        async with other.transaction():
            await other.execute("UPDATE notes SET body = 'a' WHERE id = 1")
            running = asyncio.create_task(queries.many("notes/pair", ALICE))
            await until(notes, "wait_event_type = 'Lock'")
            await other.execute("UPDATE notes SET body = 'a' WHERE id = 2")
        assert len(await running) == 1
        await other.close()
    assert tries(observed)[2:] == ["40P01", ""]


async def test_a_serialization_failure_is_tried_again(
    notes: str, started: Start, observed: list[Call]
) -> None:
    """A statement that lost against another (40001) is tried again."""
    administer(
        notes,
        f"ALTER DATABASE {urlsplit(notes).path[1:]} SET default_transaction_isolation = 'repeatable"
        " read'",
    )
    async with started(notes) as (queries, _):
        await queries.count("notes/add", ALICE, id=1, body="")
        other = await asyncpg.connect(notes)
        async with other.transaction():
            await other.execute("UPDATE notes SET body = 'a' WHERE id = 1")
            running = asyncio.create_task(STORE(queries))
            await until(notes, "wait_event_type = 'Lock'")
        assert await running == 1
        await other.close()
    assert tries(observed) == ["", "40001", ""]


async def test_a_timeout_is_not_tried_again(
    notes: str, started: Start, observed: list[Call]
) -> None:
    """The server's own timeout undoes the statement; when the client gave up, a write may have been
    made. Neither is tried again.
    """
    async with started(notes, db_pool_max=1) as (queries, pool):
        async with pool.connection(5) as connection:
            await connection.execute("SET statement_timeout = '50ms'")
        error = await failure_of(queries.count("notes/brew", ALICE, id=1, seconds=30.0))
        assert (error.unknown, error.sqlstate) == (False, "57014")
    async with started(notes, db_pool_max=1, db_statement_timeout=0.05) as (queries, _):
        error = await failure_of(queries.count("notes/brew", ALICE, id=1, seconds=30.0))
        assert (error.unknown, error.sqlstate) == (True, "57014")
        error = await failure_of(queries.one("notes/sleep", ALICE, seconds=30.0))
        assert (error.unknown, error.sqlstate) == (False, "57014")
    assert len(observed) == 3


VALUES: dict[str, tuple[Ask, str]] = {
    "NUL in a text": (lambda q: q.count("notes/add", ALICE, id=1, body="\0"), "22021"),
    "NUL in JSON": (lambda q: q.one("notes/json", ALICE, value='{"a": "\\u0000"}'), "22P05"),
    "a lone surrogate": (lambda q: q.count("notes/add", ALICE, id=1, body="\ud800"), "22000"),
    "a negative limit": (lambda q: q.many("notes/some", ALICE, skip=0, number=-1), "2201W"),
    "a negative offset": (lambda q: q.many("notes/some", ALICE, skip=-1, number=0), "2201X"),
    "a duplicate": (ADD, "23505"),
}


@pytest.mark.parametrize(("ask", "sqlstate"), VALUES.values(), ids=VALUES.keys())
async def test_a_data_error_is_reported_once(
    notes: str, started: Start, observed: list[Call], ask: Ask, sqlstate: str
) -> None:
    """A data error is reported once, nothing is changed, and the connection stays open."""
    async with started(notes, db_pool_max=1) as (queries, pool):
        await ADD(queries)
        error = await failure_of(ask(queries))
        assert (error.unknown, error.transient, error.sqlstate) == (False, False, sqlstate)
        assert tries(observed) == ["", sqlstate]
        assert len(await READ(queries)) == 1
        assert pool.size == 1


async def test_a_value_beyond_python_is_a_fault_and_the_connection_lives(
    notes: str, started: Start
) -> None:
    """A year beyond 9999 is a fault of ours, and the next statement is answered."""
    async with started(notes, db_pool_max=1) as (queries, _):
        with pytest.raises(OverflowError):
            await queries.one("notes/date", ALICE, text="20000-01-01")
        assert await READ(queries) == []
