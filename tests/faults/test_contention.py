"""Many concurrent writers: after a lock wait each statement sees the committed state."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Self
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from service.settings import Settings
from tests.conftest import User, client_of, started
from tests.faults.queueing import queued, until_waiting
from tests.faults.replica import SCALE, Replica, listed


async def consistent(user: User, connection: asyncpg.Connection) -> None:
    """Counts are true, the feed is the list, and no number is missing or stands twice."""
    assert await Replica(user).catch_up() == await listed(user)
    row = await connection.fetchrow(
        """SELECT o.sequence, o.open = count(t.*) FILTER (WHERE NOT t.completed AND t.deleted_at IS NULL)
                         AS open,
                  o.completed = count(t.*) FILTER (WHERE t.completed AND t.deleted_at IS NULL) AS completed
             FROM owners AS o LEFT JOIN tasks AS t USING (owner_id) WHERE o.owner_id = $1 GROUP BY o.owner_id""",
        user.id,
    )
    assert row is not None
    assert (row["open"], row["completed"]) == (True, True)
    assert await connection.fetchval(
        """SELECT count(*) = count(DISTINCT sequence) AND max(sequence) <= $2
             FROM tasks WHERE owner_id = $1""",
        user.id,
        row["sequence"],
    )


PATCH = {"json": {"completed": True}}
PUT = {"json": {"title": "put", "completed": True}}

# What waits behind one another, on a task that is there ("t") or an id that nobody has yet ("n"),
# and how it ends.
QUEUES: list[tuple[list[tuple[str, str, dict[str, Any]]], list[list[int]]]] = [
    ([("DELETE", "t", {}), ("DELETE", "t", {})], [[204, 404]]),
    ([("DELETE", "t", {}), ("PATCH", "t", PATCH)], [[204, 404]]),
    ([("PATCH", "t", PATCH), ("DELETE", "t", {})], [[200, 204]]),
    (
        [
            ("PATCH", "t", PATCH),
            ("PATCH", "t", PATCH),
            ("PATCH", "t", {"json": {"completed": False}}),
        ],
        [[200, 200, 200]],
    ),
    # A put looks first and creates then: another may create in between.
    ([("PUT", "n", PUT), ("PUT", "n", PUT)], [[201, 200], [200, 201]]),
    (
        [("PUT", "n", PUT), ("PUT", "n", {**PUT, "headers": {"If-None-Match": "*"}})],
        [[201, 412], [200, 201]],
    ),
    ([("PUT", "t", PUT), ("DELETE", "t", {})], [[200, 204]]),
    ([("DELETE", "t", {}), ("PUT", "t", PUT)], [[204, 201]]),
    ([("DELETE", "t", {}), ("PUT", "t", PUT), ("DELETE", "t", {})], [[204, 201, 404]]),
    ([("PATCH", "t", {**PATCH, "headers": {"If-Match": '"1"'}})] * 3, [[200, 412, 412]]),
    ([("PUT", "t", {**PUT, "headers": {"If-Match": '"1"'}})] * 2, [[200, 412]]),
    (
        [
            ("DELETE", "t", {"headers": {"If-Match": '"1"'}}),
            ("PATCH", "t", {**PATCH, "headers": {"If-Match": '"1"'}}),
        ],
        [[204, 404]],
    ),
    ([("PATCH", "t", PATCH), ("DELETE", "t", {"headers": {"If-Match": '"1"'}})], [[200, 412]]),
    (
        [
            ("POST", "", {"json": {"title": "a"}}),
            ("POST", "", {"json": {"title": "b", "completed": True}}),
        ],
        [[201, 201]],
    ),
]


@pytest.mark.parametrize(("queue", "expected"), QUEUES)
async def test_waiting_writes_end_as_if_one_after_another(
    alice: User,
    database: str,
    connection: asyncpg.Connection,
    queue: list[tuple[str, str, dict[str, Any]]],
    expected: list[list[int]],
) -> None:
    """Writes that wait for one another with old snapshots end as if they had run one
    after another.
    """
    paths = {"t": f"/{(await alice.create())['id']}", "n": f"/{uuid4()}", "": ""}
    calls = [alice.call(method, paths[which], **options) for method, which, options in queue]
    async with queued(database, connection, calls) as responses:
        assert [response.status_code for response in responses] in expected
    await consistent(alice, connection)


@pytest.mark.parametrize("write", ["POST", "PUT"])
async def test_first_writes_of_an_owner_at_once(
    user: Callable[[str], User], connection: asyncpg.Connection, write: str
) -> None:
    """A new owner's first tasks, all created at the same moment, are all there and counted."""
    for number in range(10):
        somebody = user(f"{write} {number}")
        paths = ["" if write == "POST" else f"/{uuid4()}" for _ in range(4)]
        responses = await asyncio.gather(
            *(somebody.call(write, path, json={"title": "a"}) for path in paths)
        )
        assert [response.status_code for response in responses] == [201] * 4
        assert len(await listed(somebody)) == 4
        await consistent(somebody, connection)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_one_key_sent_at_once_is_carried_out_once(
    alice: User, connection: asyncpg.Connection, method: str
) -> None:
    """Of many requests with one key at the same moment one is carried out; the others are repeats,
    or 409 for now.
    """
    path = f"/{(await alice.create())['id']}" if method == "PATCH" else ""
    for number in range(10):
        request = {
            "json": {"title": f"title {number}"},
            "headers": {"Idempotency-Key": f"key {number}".replace(" ", "-")},
        }
        responses = await asyncio.gather(*(alice.call(method, path, **request) for _ in range(6)))
        done = [response for response in responses if response.status_code != 409]
        assert {
            response.headers["Retry-After"] for response in responses if response.status_code == 409
        } <= {"1"}
        assert (
            len([response for response in done if "Idempotency-Replayed" not in response.headers])
            == 1
        )
        assert (
            len(
                {
                    (response.status_code, response.content, response.headers["ETag"])
                    for response in done
                }
            )
            == 1
        )
    assert len(await listed(alice)) == (10 if method == "POST" else 1)
    await consistent(alice, connection)


async def test_a_key_in_progress_is_409(
    alice: User, database: str, connection: asyncpg.Connection
) -> None:
    """While a request with a key is in progress, a second one with it gets 409 at once."""
    task = await alice.create()
    for method, path in (("POST", ""), ("PATCH", f"/{task['id']}")):
        request = {"json": {"title": "b"}, "headers": {"Idempotency-Key": method}}
        first = alice.call(method, path, **request)
        async with queued(
            database, connection, [first, _after(alice, method, path, request)]
        ) as responses:
            done, meanwhile = responses
            assert (done.status_code, meanwhile.status_code) == (
                201 if method == "POST" else 200,
                409,
            )
            assert meanwhile.headers["Retry-After"] == "1"
            assert meanwhile.json()["type"] == "/problems/in-progress"
        again = await alice.call(method, path, **request)
        assert (again.content, again.headers["Idempotency-Replayed"]) == (done.content, "true")


async def test_a_key_in_progress_on_another_replica_is_waited_for(
    alice: User, settings: Settings, database: str, connection: asyncpg.Connection
) -> None:
    """While one replica carries a request out, its repeat on another waits, and gets the answer."""
    task = await alice.create()
    async with started(settings) as app, client_of(app) as client:
        elsewhere = User(client, "alice")
        for method, path in (
            ("POST", ""),
            ("PUT", f"/{uuid4()}"),
            ("PATCH", f"/{task['id']}"),
            ("DELETE", f"/{task['id']}"),
        ):
            request: dict[str, Any] = {"headers": {"Idempotency-Key": method}}
            if method != "DELETE":
                request["json"] = {"title": "b"}
            calls = [user.call(method, path, **request) for user in (alice, elsewhere)]
            async with queued(database, connection, calls) as (first, repeat):
                assert first.is_success
                assert "Idempotency-Replayed" not in first.headers
                assert (repeat.status_code, repeat.content) == (first.status_code, first.content)
                assert repeat.headers["Idempotency-Replayed"] == "true"
    await consistent(alice, connection)


async def test_a_waiting_writes_time_is_not_before_its_predecessors(
    alice: User, database: str, connection: asyncpg.Connection
) -> None:
    """A write that waited gets a time that is not before that of the write it waited for."""
    path = f"/{(await alice.create())['id']}"
    calls = [alice.call("PATCH", path, json={"title": f"{number}"}) for number in range(3)]
    async with queued(database, connection, calls) as responses:
        tasks = sorted(
            (response.json() for response in responses), key=lambda task: task["version"]
        )
        times = [task["updated_at"] for task in tasks]
        assert times == sorted(times)
    await connection.execute("UPDATE tasks SET updated_at = updated_at + interval '1 day'")
    ahead = (await alice.call("GET", path)).json()["updated_at"]
    assert (await alice.call("PATCH", path, json={"title": "c"})).json()["updated_at"] == ahead


async def _after(user: User, method: str, path: str, request: dict[str, Any]) -> httpx.Response:
    """The same request while the other waits; then something that waits, too, for `queued`
    to see.
    """
    response = await user.call(method, path, **request)
    await user.call("POST", json={"title": "waits"})
    return response


async def test_no_update_is_lost_under_if_match(
    alice: User, connection: asyncpg.Connection
) -> None:
    """Writers that add to what they read, with If-Match, add up: no update is lost."""
    task = await alice.create("0")
    path = f"/{task['id']}"

    async def add(times: int) -> None:
        while times:
            read = await alice.call("GET", path)
            title = str(int(read.json()["title"]) + 1)
            response = await alice.call(
                "PATCH", path, json={"title": title}, headers={"If-Match": read.headers["ETag"]}
            )
            assert response.status_code in (200, 412)
            times -= response.status_code == 200

    await asyncio.gather(*(add(10) for _ in range(4)))
    assert (await alice.call("GET", path)).json()["title"] == "40"
    await consistent(alice, connection)


async def _anything(dice: random.Random, person: User, title: str) -> httpx.Response:
    """A request such as any client might send: to one of a dozen ids, at times under a condition or
    with a key.
    """
    method = dice.choice(["POST", "DELETE", "PUT", "PUT", "PATCH", "PATCH"])
    headers = dice.choice(
        [
            {},
            {},
            {},
            {"If-Match": f'"{dice.randrange(1, 20)}"'},
            {"Idempotency-Key": str(dice.randrange(50))},
        ]
    )
    path = "" if method == "POST" else f"/{UUID(int=dice.randrange(12))}"
    body = {} if method == "DELETE" else {"title": title, "completed": dice.random() < 0.5}
    return await person.call(method, path, json=body, headers=headers)


async def test_feed_equals_list_under_random_concurrent_writes(
    user: Callable[[str], User],
    connection: asyncpg.Connection,
    record_property: Callable[[str, object], None],
) -> None:
    """While writers interleave at random and replicas follow, feed and list are the same at every
    pause and in the end.
    """
    operations = 2_000 * SCALE
    people = [user(f"user {number}") for number in range(3)]
    replicas = [Replica(person) for person in people for _ in range(2)]
    dice = random.Random(5)
    done = 0

    async def write() -> None:
        nonlocal done
        while done < operations:
            done += 1
            response = await _anything(dice, dice.choice(people), str(done))
            assert response.status_code in (200, 201, 204, 404, 409, 412, 422), response.text
            if done % 500 == 0:
                for person in people:
                    await Replica(person).catch_up(7)

    async def follow(replica: Replica) -> None:
        while done < operations:
            await replica.turn(dice.choice([1, 3, 50]))
            await asyncio.sleep(0.05)

    await asyncio.gather(*(write() for _ in range(8)), *(follow(replica) for replica in replicas))
    for person in people:
        truth = await listed(person)
        for replica in replicas:
            if replica.user is person:
                assert await replica.catch_up() == truth
        await consistent(person, connection)
    record_property("operations", done)


class Writer:
    """One of two writers on a table of a test's own; numbers its change and commits when told."""

    def __init__(self, dsn: str, number: str) -> None:
        self.dsn, self.number = dsn, number

    async def __aenter__(self) -> Self:
        self.connection = await asyncpg.connect(self.dsn)
        self.transaction = self.connection.transaction()
        await self.transaction.start()
        return self

    async def write(self, id: int) -> None:
        await self.connection.execute(
            f"INSERT INTO changes (id, sequence) SELECT $1, {self.number}", id
        )

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()


BIGSERIAL = "nextval('numbers')"


async def test_a_plain_sequence_would_lose_changes(
    database: str, connection: asyncpg.Connection
) -> None:
    """Another design, for contrast: a number drawn before a late commit lies behind a reader who
    has seen a later one.
    """
    await connection.execute(
        "CREATE SEQUENCE numbers; CREATE TABLE changes (id int, sequence bigint)"
    )
    async with Writer(database, BIGSERIAL) as slow, Writer(database, BIGSERIAL) as quick:
        await slow.write(1)
        await quick.write(2)
        await quick.transaction.commit()
        seen = await connection.fetch("SELECT id, sequence FROM changes ORDER BY sequence")
        await slow.transaction.commit()
        seen += await connection.fetch(
            "SELECT id, sequence FROM changes WHERE sequence > $1", seen[-1]["sequence"]
        )
    assert [row["id"] for row in seen] == [2], "the first change is lost to this reader for ever"


async def test_the_owners_row_lock_loses_no_change(
    alice: User, database: str, connection: asyncpg.Connection
) -> None:
    """In the same race our design loses none: the quick writer waits for the slow one's commit, so
    the reader sees both, in order.
    """
    await alice.create("before")
    replica = Replica(alice)
    await replica.catch_up()
    slow = await asyncpg.connect(database)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute("UPDATE owners SET sequence = sequence + 1, open = open + 1")
    await slow.execute(
        "INSERT INTO tasks (owner_id, id, title, sequence) SELECT owner_id, $1, 'slow', sequence"
        " FROM owners",
        uuid4(),
    )
    quick = asyncio.create_task(alice.create("quick"))
    await until_waiting(connection, 1)
    assert len(await replica.catch_up()) == 1
    await transaction.commit()
    await quick
    await slow.close()
    assert [task["title"] for task in (await replica.catch_up()).values()] == [
        "before",
        "slow",
        "quick",
    ]
    await consistent(alice, connection)
