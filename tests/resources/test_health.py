"""Probes: always alive, ready only with a database whose schema is not behind."""

import asyncio
import itertools
import time
from typing import Any

import httpx
import pytest

from service.app import Application
from service.db.queries import Queries
from service.migrate import migrations
from service.resources import readiness
from service.resources.readiness import FRESH
from service.settings import Settings
from tests.conftest import SECRET, User, administer, client_of, started
from tests.pooler import through
from tests.relay import relay


@pytest.mark.parametrize(
    ("path", "status"), [("/", "ok"), ("/health", "healthy"), ("/livez", "ok"), ("/readyz", "ok")]
)
async def test_front_door_and_probes_need_no_token(
    client: httpx.AsyncClient, path: str, status: str
) -> None:
    """Front door and probes answer without a token, to GET and to HEAD."""
    response = await client.get(path)
    assert (response.status_code, response.json()["status"]) == (200, status)
    assert (await client.head(path)).status_code == 200


async def test_health_never_changes(client: httpx.AsyncClient) -> None:
    """`/health` answers exactly what it always did."""
    assert (await client.get("/health")).json() == {"status": "healthy"}


async def test_links_at_the_front_door_work(client: httpx.AsyncClient) -> None:
    """Every link at `/` is answered."""
    for link in (await client.get("/")).json()["links"].values():
        assert (await client.get(link)).status_code == 200, link


def on(dsn: str) -> Settings:
    return Settings.model_validate({"database_url": dsn, "jwt_secret": SECRET})


async def test_without_a_database_the_service_is_alive_and_not_ready() -> None:
    """With the database away the process starts and lives, and readiness names the check that
    failed, not why.
    """
    async with (
        started(on("postgresql://postgres@127.0.0.1:1/nothing")) as app,
        client_of(app) as client,
    ):
        assert (await client.get("/livez")).status_code == 200
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    document = response.json()
    assert document["detail"] == "Not ready: database, schema"
    assert document["checks"] == {"database": "failed", "schema": "unknown"}
    assert "127.0.0.1" not in response.text


async def test_ready_once_the_schema_is_there(empty_database: str) -> None:
    """On a database that was never migrated the service is not ready; once it is migrated,
    it is.
    """
    async with started(on(empty_database)) as app, client_of(app) as client:
        before = await client.get("/readyz")
        assert (before.status_code, before.json()["checks"]) == (
            503,
            {"database": "ok", "schema": "behind"},
        )
        await migrations.migrate(empty_database)
        await asyncio.sleep(FRESH)
        assert (await client.get("/readyz")).status_code == 200


async def test_beside_a_newer_schema_the_service_is_ready(
    settings: Settings, database: str
) -> None:
    """A migration that only a newer build knows does not stop this one."""
    administer(
        database,
        "INSERT INTO _yoyo_migration (migration_hash, migration_id, applied_at_utc) VALUES ('x',"
        " '9999.future', now())",
    )
    async with started(settings) as app, client_of(app) as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_probes_let_a_database_sleep(database: str) -> None:
    """Once ready, readiness asks the database nothing while nothing has gone wrong, so that one
    without traffic may sleep.
    """
    sent: list[bytes] = []

    def up(data: bytes) -> bytes:
        sent.append(data)
        return data

    async with (
        relay(database, up=up) as port,
        started(on(through(database, port))) as app,
        client_of(app) as client,
    ):
        assert (await client.get("/readyz")).status_code == 200
        sent.clear()
        for _ in range(5):
            assert (await client.get("/readyz")).json()["checks"] == {
                "database": "ok",
                "schema": "ok",
            }
    assert sent == [TERMINATE]


TERMINATE = b"X\0\0\0\x04"


async def test_a_lost_database_is_noticed_without_traffic(database: str) -> None:
    """When its idle connections are cut the service is not ready; when the database answers again,
    it is, without traffic.
    """
    reachable = True

    def up(data: bytes) -> bytes:
        if not reachable:
            raise ConnectionResetError
        return data

    async with (
        relay(database, up=up) as port,
        started(on(through(database, port))) as app,
        client_of(app) as client,
    ):
        assert (await client.get("/readyz")).status_code == 200
        reachable = False
        administer(database, CUT)
        deadline = time.monotonic() + 10
        while (await client.get("/readyz")).status_code == 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)  # until the cut is here
        assert (await client.get("/readyz")).json()["checks"]["database"] == "failed"
        reachable = True
        while (await client.get("/readyz")).status_code != 200:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)  # the last answer is good for a moment


CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND"
    " pid <> pg_backend_pid()"
)


async def test_an_emptied_database_is_noticed(
    settings: Settings, database: str, alice: User
) -> None:
    """When the tables are no longer there, and a request has met that, the service is not ready."""
    async with started(settings) as app, client_of(app) as client:
        assert (await client.get("/readyz")).status_code == 200
        administer(database, "ALTER TABLE tasks RENAME TO elsewhere", "DROP TABLE _yoyo_migration")
        user = User(client, alice.id)
        assert (await user.call("GET")).status_code == 500
        await asyncio.sleep(FRESH)
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["schema"]) == (503, "behind")


async def test_many_readiness_probes_query_the_database_once(
    app: Application, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many probes come while something is wrong, the database is queried once in
    a moment.
    """
    asked: list[str] = []
    run = Queries.one
    trouble = itertools.count(1000)

    async def counted(queries: Queries, name: str, *arguments: Any, **values: Any) -> Any:
        asked.append(name)
        return await run(queries, name, *arguments, **values)  # type: ignore[call-overload]

    assert (await client.get("/readyz")).status_code == 200
    monkeypatch.setattr(readiness, "FRESH", 60.0)
    monkeypatch.setattr(app.services.readiness, "_until", 0.0)
    monkeypatch.setattr(Queries, "one", counted)
    monkeypatch.setattr(Queries, "doubts", property(lambda _: next(trouble)))
    answers = await asyncio.gather(*(client.get("/readyz") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert asked == ["schema/ping"]
