"""The problems for database errors."""

import asyncio
import re
from urllib.parse import urlsplit

import asyncpg
import pytest

from service.db.errors import QueryFailed
from service.layers.exceptions import of_failed_query
from service.settings import Settings
from tests.conftest import SECRET, User, administer, client_of, started


@pytest.mark.parametrize(
    ("sqlstate", "status"),
    [
        ("08000", 503),
        ("08006", 503),
        ("22001", 422),
        ("22021", 422),
        ("22P05", 422),
        ("23503", 409),
        ("23505", 409),
        ("23514", 422),
        ("23502", 500),
        ("25006", 503),
        ("40001", 503),
        ("40P01", 503),
        ("42501", 500),
        ("42703", 500),
        ("53300", 503),
        ("57014", 504),
        ("57P01", 503),
        ("57P03", 503),
        ("XX000", 500),
    ],
)
def test_each_class_of_sqlstate_has_its_answer(sqlstate: str, status: int) -> None:
    """Each class of SQLSTATE has its answer; 503 comes with Retry-After, and none reveals the
    cause.
    """
    problem = of_failed_query(QueryFailed("tasks/list", sqlstate, constraint="tasks_pkey"))
    assert problem.status == status
    assert ("Retry-After" in problem.headers) == (status == 503)
    assert not re.search("tasks|pkey|SQL", str(problem))


@pytest.mark.usefixtures("straight")  # PgBouncer waits where a server refuses
async def test_with_the_database_gone_requests_are_503_until_it_is_back(
    alice: User, database: str, server_dsn: str
) -> None:
    """With the database gone every request below a user is 503 with Retry-After at once: it does
    not wait for a connection, which takes 5 s. Once it is back, requests succeed.
    """
    task = await alice.create()
    name = urlsplit(database).path[1:]
    administer(
        server_dsn,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    calls = [
        ("GET", ""),
        ("POST", ""),
        ("GET", f"/{task['id']}"),
        ("PATCH", f"/{task['id']}"),
        ("DELETE", f"/{task['id']}"),
    ]
    for method, path in calls:
        body = {"json": {"title": "a"}} if method in ("POST", "PATCH") else {}
        async with asyncio.timeout(4):
            response = await alice.call(method, path, **body)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert response.json()["detail"] == "Service unavailable"
    administer(server_dsn, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert (await alice.tasks())["items"] == [task]


async def test_without_a_database_requests_are_503() -> None:
    """Without a server at the database's address, requests are 503 at once."""
    settings = Settings.model_validate(
        {"database_url": "postgresql://postgres@127.0.0.1:1/nothing", "jwt_secret": SECRET}
    )
    async with started(settings) as app, client_of(app) as client, asyncio.timeout(4):
        response = await User(client, "alice").call("GET")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")


async def test_a_busy_pool_is_503_and_a_slow_statement_504(
    settings: Settings, connection: asyncpg.Connection
) -> None:
    """A request that gets no connection in time is 503; one whose statement takes too long
    is 504.
    """
    limits = {"db_pool_max": 1, "db_acquire_timeout": 0.2, "db_statement_timeout": 0.6}
    async with (
        started(settings.model_copy(update=limits)) as app,
        client_of(app) as client,
        connection.transaction(),
    ):
        alice = User(client, "alice")
        await alice.tasks()  # opens the connection
        await connection.execute("LOCK TABLE tasks")
        blocked, crowded = await asyncio.gather(alice.call("GET"), alice.call("GET"))
    assert sorted([blocked.status_code, crowded.status_code]) == [503, 504]


async def test_a_broken_constraint_is_logged_and_not_revealed(
    alice: User, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken constraint is a 422 without the constraint's name, and the log has the name but not
    the row.
    """
    await connection.execute("ALTER TABLE tasks ADD CONSTRAINT no_milk CHECK (title <> 'Buy milk')")
    response = await alice.call("POST", json={"title": "Buy milk", "description": "hunter2"})
    assert response.status_code == 422
    assert "milk" not in response.text
    assert "no_milk" in caplog.text
    assert "hunter2" not in caplog.text
