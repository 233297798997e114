"""Connections through a pooler: prepared statements are detected, and no session state is used."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.database_url import parse
from service.db.connect import STATEMENT_CACHE, Connector
from service.settings import Settings
from tests.conftest import ROLE, SECRET, User, as_service, client_of, started
from tests.faults.replica import listed
from tests.pooler import pgbouncer, through
from tests.relay import relay


@pytest.fixture
def pooled(database: str, tmp_path: Path) -> Iterator[str]:
    """The test's database through a PgBouncer with two server connections."""
    logins = [("postgres", ""), (ROLE, ROLE)]
    with pgbouncer(database, tmp_path, logins, {"default_pool_size": "2"}) as port:
        yield through(as_service(database), port)


async def cache_of(url: str) -> int:
    """How many prepared statements connections by that URL keep, once the first one is made."""
    connector = Connector(parse(url))
    connection = await connector()
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()
    again = await connector()
    await again.close()
    assert connector.cache_size is not None
    return connector.cache_size


async def test_without_a_pooler_prepared_statements_are_kept(database: str) -> None:
    """Without a pooler prepared statements are kept."""
    assert await cache_of(as_service(database)) == STATEMENT_CACHE


async def test_behind_an_old_pgbouncer_no_statement_is_prepared(pooled: str) -> None:
    """Behind a PgBouncer without prepared statements none are kept, on any connection."""
    assert await asyncio.gather(*(cache_of(pooled) for _ in range(8))) == [0] * 8


async def test_a_url_with_the_cache_size_is_not_probed(database: str, pooled: str) -> None:
    """If the URL says whether to keep prepared statements, the server is not probed."""
    direct = as_service(database)
    joint = "&" if "?" in direct else "?"
    assert await cache_of(f"{direct}{joint}pgbouncer=true") == 0
    assert await cache_of(f"{direct}{joint}statement_cache_size=7") == 7
    assert Connector(parse(f"{pooled}?statement_cache_size=9")).cache_size == 9


async def test_behind_a_new_pgbouncer_prepared_statements_are_kept(database: str) -> None:
    """Behind a pooler that keeps prepared statements itself, as PgBouncer does from 1.21 on, they
    are kept.
    """

    def down(data: bytes) -> bytes:
        # The key is the pooler's, not a server process's
        return re.sub(rb"(?s)K\0\0\0\x0c....", b"K\0\0\0\x0cpool", data)

    async with relay(
        database, up=lambda data: data.replace(b"__asyncpg_stmt_", b"PGBOUNCER_12345"), down=down
    ) as port:
        assert await cache_of(through(database, port)) == STATEMENT_CACHE
    async with relay(database, down=down) as port:
        assert await cache_of(through(database, port)) == 0


async def test_a_database_that_wakes_up_fails_no_request(database: str) -> None:
    """A database that takes a while to wake up makes its first request slow, and fails none."""
    async with relay(database, held=1.0) as port:
        settings = Settings.model_validate(
            {
                "database_url": through(database, port),
                "jwt_secret": SECRET,
                "db_pool_min": 0,
                "db_pool_max": 2,
            }
        )
        async with started(settings) as app, client_of(app) as client:
            alice = User(client, "alice")
            assert (
                len(
                    {
                        task["id"]
                        for task in await asyncio.gather(
                            *(alice.create(str(number)) for number in range(6))
                        )
                    }
                )
                == 6
            )


async def test_every_operation_works_through_an_old_pgbouncer(pooled: str) -> None:
    """Many owners share two sessions: every request is answered as without the pooler."""
    settings = Settings.model_validate(
        {"database_url": pooled, "jwt_secret": SECRET, "db_pool_max": 8}
    )
    async with started(settings) as app, client_of(app) as client:

        async def live(user: User) -> None:
            for number in range(10):
                task = await user.create(str(number))
                path = f"/{task['id']}"
                changed = await user.call(
                    "PATCH",
                    path,
                    json={"completed": number % 2 == 0},
                    headers={"Idempotency-Key": path},
                )
                assert changed.status_code == 200
                assert (await user.call("GET", path)).json() == changed.json()
                assert (await user.call("PUT", path, json={"title": "put"})).status_code == 200
                if number % 5 == 0:
                    assert (await user.call("DELETE", path)).status_code == 204
            assert len(await listed(user)) == 8

        assert (await client.get("/readyz")).status_code == 200
        await asyncio.gather(*(live(User(client, f"user-{number}")) for number in range(16)))
