"""Transactions of named statements: all or nothing, retried if that is safe."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from service.db import deadline
from service.db.errors import QueryFailed
from service.db.pool import Pool
from service.db.queries import Call, Row
from service.owner import OwnerId
from service.settings import DatabaseSettings
from tests.db.conftest import ALICE, Start
from tests.db.untyped import Queries, Transaction, queries_on
from tests.faults.wire import Wire


async def both(tx: Transaction) -> str:
    """Add two notes."""
    await tx.count("notes/add", id=1, body="tea")
    await tx.count("notes/add", id=2, body="milk")
    return "done"


async def ids(queries: Queries) -> list[int]:
    return [row["id"] for row in await queries.many("notes/list", ALICE)]


async def sessions(notes: str, state: str) -> int:
    """How many of the service's sessions are in that state."""
    connection = await asyncpg.connect(notes)
    try:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state LIKE $1",
            state,
        )
        return count
    finally:
        await connection.close()


async def nothing_left(notes: str, pool: Pool) -> None:
    """Wait until no connection is in use, and none is left in a transaction."""
    async with asyncio.timeout(5):
        while pool.in_use or await sessions(notes, "idle in transaction%"):
            await asyncio.sleep(0.01)


async def test_statements_are_committed_together_and_observed(
    queries: Queries, observed: list[Call]
) -> None:
    """All statements are committed together, and each is observed under its own name, BEGIN and
    COMMIT too.
    """
    assert await queries.transaction(ALICE, both) == "done"
    assert await ids(queries) == [2, 1]
    names = ["BEGIN", "notes/add", "notes/add", "COMMIT", "notes/list"]
    assert [(call.name, call.sqlstate) for call in observed] == [(name, "") for name in names]
    assert [call.rows for call in observed] == [0, 1, 1, 0, 2]


async def test_each_statement_is_a_round_trip(notes: str, started: Start) -> None:
    """BEGIN, COMMIT and each statement are a round trip each."""
    async with Wire(notes).laid() as wire, started(wire.dsn, db_pool_max=1) as (queries, _):
        await queries.transaction(ALICE, both)  # the statement is prepared
        asked = wire.asked
        await queries.transaction(OwnerId("bob"), both)
        assert wire.asked - asked == 4


async def test_a_transaction_without_a_connection_is_tried_three_times(
    started: Start, observed: list[Call]
) -> None:
    """A transaction that gets no connection is tried three times; each is observed."""
    async with started("postgresql://alice@127.0.0.1:1/notes") as (queries, _):
        with pytest.raises(QueryFailed) as raised:
            await queries.transaction(ALICE, both)
    assert not raised.value.unknown
    assert [(call.name, call.sqlstate) for call in observed] == [("BEGIN", "08006")] * 3


@pytest.mark.usefixtures("straight")
@pytest.mark.parametrize("repeatable", [True, False])
async def test_an_unanswered_commit_is_repeated_or_unknown(
    notes: str, started: Start, monkeypatch: pytest.MonkeyPatch, repeatable: bool
) -> None:
    """When COMMIT is not answered in time, and its connection is dead, a repeatable transaction
    runs again; any other is unknown.
    """
    monkeypatch.setattr("service.db.pool.SETTLE_TIMEOUT", 0.2)
    runs = []

    async def work(tx: Transaction) -> str:
        runs.append(1)
        await both(tx)
        wire.hole = len(runs) == 1
        return "done"

    async def mend() -> None:
        while wire.swallowed == 0:
            await asyncio.sleep(0.01)
        wire.hole = False

    async with (
        Wire(notes).laid() as wire,
        started(wire.dsn, db_statement_timeout=0.5) as (queries, _),
    ):
        mending = asyncio.create_task(mend())
        if repeatable:
            assert await queries.transaction(ALICE, work, repeatable=True) == "done"
            assert await ids(queries) == [2, 1]
        else:
            with pytest.raises(QueryFailed, match="outcome unknown"):
                await queries.transaction(ALICE, work)
        await mending
    assert len(runs) == 1 + repeatable


async def test_an_exception_rolls_back(notes: str, started: Start) -> None:
    """An exception of the work is raised on; nothing is changed, and the connection is free
    again.
    """

    async def work(tx: Transaction) -> None:
        await both(tx)
        raise LookupError

    async with started(notes, db_pool_max=1) as (queries, pool):
        with pytest.raises(LookupError):
            await queries.transaction(ALICE, work)
        await nothing_left(notes, pool)
        assert await ids(queries) == []


async def test_a_failed_statement_rolls_back(queries: Queries) -> None:
    """A statement that fails takes the earlier ones with it, even if the work goes on."""

    async def work(tx: Transaction) -> None:
        await tx.count("notes/add", id=1, body="tea")
        with contextlib.suppress(QueryFailed):
            await tx.count("notes/add", id=1, body="again")

    with pytest.raises(QueryFailed) as raised:
        await queries.transaction(ALICE, work)
    assert (raised.value.sqlstate, raised.value.unknown) == ("25P02", False)
    assert await ids(queries) == []


async def test_a_transaction_runs_statements_of_its_owner_alone(queries: Queries) -> None:
    """All statements of a transaction are its owner's; a global one is refused."""
    bob = OwnerId("bob")
    await queries.transaction(bob, both)
    assert await ids(queries) == []

    async def work(tx: Transaction) -> Row:
        return await tx.one("notes/total")

    with pytest.raises(TypeError):
        await queries.transaction(bob, work)


@pytest.mark.usefixtures("straight")
async def test_a_deadlock_is_tried_again(notes: str, started: Start) -> None:
    """Two transactions that lock crosswise are both done in the end."""
    runs = []
    crosswise = asyncio.Barrier(2)  # each has locked one row before either asks for the other

    def locking(*order: int) -> "asyncio.Future[None]":
        async def work(tx: Transaction) -> None:
            runs.append(order)
            first, second = order
            await tx.count("notes/store", id=first, body=str(first))
            if len(runs) <= crosswise.parties:
                await crosswise.wait()
            await tx.count("notes/store", id=second, body=str(first))

        return asyncio.ensure_future(queries.transaction(ALICE, work))

    async with started(notes) as (queries, _):
        await queries.transaction(ALICE, both)
        await asyncio.gather(locking(1, 2), locking(2, 1))
    assert len(runs) == 3


@pytest.mark.usefixtures("straight")
async def test_a_session_lost_before_commit_is_tried_again(notes: str, started: Start) -> None:
    """A connection that is lost before COMMIT loses nothing: the whole is tried again, once."""
    runs = []

    async def work(tx: Transaction) -> str:
        runs.append(1)
        if len(runs) == 2:
            return await both(tx)
        await both(tx)
        wire.cut()
        return await both(tx)

    async with Wire(notes).laid() as wire, started(wire.dsn) as (queries, _):
        assert await queries.transaction(ALICE, work) == "done"
        assert await ids(queries) == [2, 1]
    assert len(runs) == 2


@pytest.mark.usefixtures("straight")
async def test_a_lost_answer_of_commit_is_unknown(notes: str, started: Start) -> None:
    """When COMMIT's answer is lost the outcome is unknown; here it was committed."""
    async with Wire(notes).laid() as wire, started(wire.dsn) as (queries, _):
        await ids(queries)
        wire.cut_at = b"COMMIT\0"
        with pytest.raises(QueryFailed) as raised:
            await queries.transaction(ALICE, both)
        assert raised.value.unknown
        assert await ids(queries) == [2, 1]


@pytest.mark.usefixtures("straight")
async def test_a_repeatable_transaction_finds_its_lost_commit(notes: str, started: Start) -> None:
    """A repeatable transaction whose COMMIT's answer was lost runs again, and finds the first."""

    async def work(tx: Transaction) -> str:
        if await tx.maybe("notes/get", id=1):
            return "found"
        return await both(tx)

    async with Wire(notes).laid() as wire, started(wire.dsn) as (queries, _):
        await ids(queries)
        wire.cut_at = b"COMMIT\0"
        assert await queries.transaction(ALICE, work, repeatable=True) == "found"
        assert await ids(queries) == [2, 1]


@pytest.mark.usefixtures("straight")
async def test_reads_are_tried_again_after_a_lost_commit(notes: str, started: Start) -> None:
    """A transaction that only reads is tried again, whichever answer was lost."""

    async def work(tx: Transaction) -> int:
        return len(await tx.many("notes/list"))

    async with Wire(notes).laid() as wire, started(wire.dsn) as (queries, _):
        await ids(queries)
        wire.cut_at = b"COMMIT\0"
        assert await queries.transaction(ALICE, work) == 0


@pytest.mark.parametrize("where", ["statement", "between"])
async def test_cancelling_leaves_no_open_transaction(
    notes: str, started: Start, where: str
) -> None:
    """A caller that is cancelled leaves no transaction open, and nothing changed."""

    async def work(tx: Transaction) -> None:
        await both(tx)
        began.set()
        if where == "statement":
            await tx.one("notes/sleep", seconds=30.0)
        await asyncio.sleep(30)

    began = asyncio.Event()
    async with started(notes, db_pool_max=1) as (queries, pool):
        task = asyncio.create_task(queries.transaction(ALICE, work))
        await began.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await nothing_left(notes, pool)
        assert await ids(queries) == []


@pytest.mark.usefixtures("straight")
@pytest.mark.parametrize("asked", range(4))
async def test_only_a_cancelled_commit_is_unknown(
    notes: str, started: Start, caplog: pytest.LogCaptureFixture, asked: int
) -> None:
    """A caller that is cancelled during BEGIN, a statement or COMMIT leaves no transaction open;
    only during COMMIT is the outcome unknown. The driver logs no complaint.
    """

    async def until_it_is_asked() -> None:
        while wire.asked <= before + asked:
            await asyncio.sleep(0.001)

    limit = deadline.Deadline(time.monotonic() + 60)
    async with Wire(notes).laid() as wire, started(wire.dsn, db_pool_max=1) as (queries, pool):
        await queries.transaction(OwnerId("bob"), both)  # the statement is prepared
        wire.latency, before = 0.05, wire.asked
        token = deadline.current.set(limit)
        task = asyncio.create_task(queries.transaction(ALICE, both))
        deadline.current.reset(token)
        await until_it_is_asked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        wire.latency = 0
        await nothing_left(notes, pool)
        assert await ids(queries) == ([2, 1] if asked == 3 else [])
    assert limit.unknown == (asked == 3)
    assert not [record for record in caplog.records if record.name.startswith("asyncio")]


async def test_a_timeout_within_a_transaction_changes_nothing(notes: str, started: Start) -> None:
    """A time-out within a transaction changes nothing, and its outcome is known."""

    async def work(tx: Transaction) -> None:
        await both(tx)
        await tx.one("notes/sleep", seconds=30.0)

    async with started(notes, db_statement_timeout=0.5) as (queries, pool):
        with pytest.raises(QueryFailed) as raised:
            await queries.transaction(ALICE, work)
        assert (raised.value.sqlstate, raised.value.unknown) == ("57014", False)
        await nothing_left(notes, pool)
        assert await ids(queries) == []


async def test_a_deadline_before_commit_changes_nothing(notes: str, started: Start) -> None:
    """When the request's time is over before COMMIT, nothing is changed."""

    async def work(tx: Transaction) -> None:
        await both(tx)
        limit.at = 0

    limit = deadline.Deadline(asyncio.get_running_loop().time() + 10)
    async with started(notes) as (queries, pool):
        token = deadline.current.set(limit)
        try:
            with pytest.raises(QueryFailed) as raised:
                await queries.transaction(ALICE, work)
        finally:
            deadline.current.reset(token)
        assert not raised.value.unknown
        await nothing_left(notes, pool)
        assert await ids(queries) == []


@pytest.mark.usefixtures("straight")
async def test_an_outdated_prepared_statement_is_prepared_anew(notes: str, started: Start) -> None:
    """A prepared statement that DDL has outdated is prepared anew: the whole is tried again."""
    async with started(notes, db_pool_max=1) as (queries, _):
        await queries.transaction(ALICE, both)

        async def work(tx: Transaction) -> Row | None:
            return await tx.maybe("notes/get", id=1)

        assert await queries.transaction(ALICE, work)
        connection = await asyncpg.connect(notes)
        await connection.execute("ALTER TABLE notes ALTER COLUMN body TYPE varchar(30)")
        await connection.close()
        assert await queries.transaction(ALICE, work)


@pytest.fixture
async def writes(notes: str, folder: Path) -> AsyncIterator[tuple[Queries, list[str]]]:
    """Queries that note whose changes were committed."""
    known = DatabaseSettings.model_validate({"database_url": notes})
    seen: list[str] = []
    async with Pool(known) as pool:
        yield queries_on(pool, folder, known, written=seen.append), seen


async def test_the_hook_gets_each_owner_after_its_commit(writes: tuple[Queries, list[str]]) -> None:
    """The hook gets the owner of each committed change, after the commit, and nothing else."""
    queries, seen = writes
    await queries.count("notes/add", ALICE, id=7, body="tea")
    await queries.many("notes/list", ALICE)
    with pytest.raises(QueryFailed):
        await queries.count("notes/add", ALICE, id=7, body="tea")
    assert seen == ["alice"]
    await queries.transaction(OwnerId("bob"), both)

    async def reads(tx: Transaction) -> int:
        return len(await tx.many("notes/list"))

    assert await queries.transaction(ALICE, reads) == 1
    assert seen == ["alice", "bob"]
