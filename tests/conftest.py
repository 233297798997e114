"""Fixtures of all tests: a real PostgreSQL, a migrated database a test, the application, users."""

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import httpx
import psycopg
import pytest
import uvloop
from pydantic import SecretStr

from service.app import Application, create_app
from service.auth.tokens import sign
from service.check import Report, check
from service.db.statements import shipped
from service.dev import postgres
from service.migrate import migrations
from service.ops import logs
from service.resources import transactions
from service.resources.tasks import ANSWERS
from service.settings import Settings
from tests.in_process import DirectClient
from tests.logged import LOGGED
from tests.pooler import everything_through_pgbouncer, no_pooler
from tests.promised import looked_at

pytest_plugins = ["tests.check.playground"]

SECRET = "a secret for tests, 32 characters and more"
ROLE = f"service_{uuid4().hex}"
"""The database role of the service under test."""
OURS = "task-service-tests-"
"""What the folders of the tests' servers are called."""


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on uvloop, as the service does."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """The tests' settings are their own."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
        os.environ.pop(f"{name.upper()}_FILE", None)


@pytest.fixture(scope="session", autouse=True)
def _nothing_secret_is_logged() -> Iterator[None]:
    """No token, secret, body or value is in anything that is logged while the tests run. See
    tests/logged.py.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("put", "put_soon"):
            patch.setattr(logs.STDERR, name, lambda line: LOGGED.add(line.decode()))
        root = logging.getLogger()
        patch.setattr(root, "handlers", [*root.handlers, LOGGED.handler])
        patch.setattr(logging.getLogger("service"), "level", logging.DEBUG)
        yield
    assert LOGGED.revealing == []


@pytest.fixture(scope="session", autouse=True)
def _rows_are_as_promised() -> Iterator[None]:
    """Every row is what its statement's header says. See tests/promised.py."""
    with pytest.MonkeyPatch.context() as patch:
        looked_at(patch)
        yield


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """A server on which databases can be made: TEST_DATABASE_URL, or one of our own that is thrown
    away.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    options = {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "max_connections": "200",
        "autovacuum": "off",  # what the planner knows is what a test has made it know
    }
    with (
        tempfile.TemporaryDirectory(prefix=OURS, dir=memory()) as folder,
        postgres.running(Path(folder) / "pg", options) as server,
    ):
        yield server.dsn


@pytest.fixture(scope="session", autouse=True)
def _pooler(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """With TEST_PGBOUNCER set, a PgBouncer in transaction mode between every service under test and
    that server. Without it, tests that use no database start no server.
    """
    if not os.environ.get("TEST_PGBOUNCER"):
        yield
        return
    with everything_through_pgbouncer(
        request.getfixturevalue("server_dsn"),
        tmp_path_factory.mktemp("pgbouncer"),
        [(ROLE, ROLE)],
    ):
        yield


@pytest.fixture
def straight() -> Iterator[None]:
    """Connect to the database directly, even in a run through PgBouncer: the test is about something
    that a pooler hides.
    """
    with no_pooler():
        yield


def memory() -> Path | None:
    """A file system in memory with room for a server, where there is one: a clone is ten times
    quicker there.

    What a run that was killed has left there is removed: nobody else would, short of a restart of
    the machine.
    """
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < 2**30:
        return None
    for left in folder.glob(f"{OURS}*/pg.lock"):
        with contextlib.suppress(OSError), left.open("rb") as lock:
            if time.time() - left.stat().st_mtime > 60:  # a start takes a moment to lock it
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its owner lives
                shutil.rmtree(left.parent, ignore_errors=True)
    return folder


def with_database(dsn: str, name: str) -> str:
    """The same server's URL with another database in it."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


def administer(dsn: str, *statements: str) -> None:
    """Run statements of a test's own, each in autocommit."""
    with contextlib.closing(psycopg.connect(dsn, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def checked(server_dsn: str) -> Iterator[tuple[str, Report]]:
    """The name of a migrated database, and what the check says of all statements on it."""
    name = f"template_{uuid4().hex}"
    administer(server_dsn, f"CREATE DATABASE {name}", f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'")
    dsn = with_database(server_dsn, name)
    asyncio.run(migrations.migrate(dsn))
    report = asyncio.run(report_on(dsn, role=ROLE))
    administer(dsn, *report.grants)
    yield name, report
    administer(server_dsn, f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {ROLE}")


@pytest.fixture(scope="session")
def template(checked: tuple[str, Report]) -> str:
    """The name of that database, to clone: migrating once takes longer than many clones."""
    return checked[0]


async def report_on(dsn: str, role: str = "") -> Report:
    """What the check says of all statements on that database."""
    connection = await asyncpg.connect(dsn)
    try:
        return await check(connection, shipped(), answers=ANSWERS, role=role)
    finally:
        await connection.close()


def as_service(dsn: str) -> str:
    """The same URL for a role that has the grants of `check --grants`, and nothing else."""
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{ROLE}:{ROLE}@{parts.netloc.rpartition('@')[2]}"))


@contextlib.contextmanager
def cloned(server_dsn: str, template: str) -> Iterator[str]:
    """Create a migrated database for the block; yield its URL."""
    name = f"test_{uuid4().hex}"
    administer(server_dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield with_database(server_dsn, name)
    finally:
        administer(server_dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def administrator(server_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to make databases on: to open one takes as long as to make a database."""
    with contextlib.closing(psycopg.connect(server_dsn, autocommit=True)) as connection:
        yield connection


@pytest.fixture
def empty_database(server_dsn: str, administrator: psycopg.Connection) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"empty_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name} STRATEGY file_copy".encode())
    yield with_database(server_dsn, name)
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def database(server_dsn: str, template: str, administrator: psycopg.Connection) -> Iterator[str]:
    """The URL of a migrated database of the test's own."""
    name = f"test_{uuid4().hex}"
    administrator.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
    yield with_database(server_dsn, name)
    administrator.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def _kept(server_dsn: str, template: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """A database for all tests that reach theirs through the service's role alone, and what empties
    it.
    """
    with (
        cloned(server_dsn, template) as dsn,
        contextlib.closing(psycopg.connect(dsn, autocommit=True)) as connection,
    ):
        [tables] = connection.execute(
            "SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class AS c"
            " WHERE c.relkind = 'r' AND has_any_column_privilege(%s, c.oid, 'INSERT')",
            [ROLE],
        ).fetchone() or [""]
        # A table that was truncated and not written since has no block.
        empty = (
            "DO $$ BEGIN PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE"
            " datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid();"
            f" IF 0 < ANY (SELECT pg_relation_size(unnest('{{{tables}}}'::regclass[]))) THEN"
            f" TRUNCATE {tables}; END IF; END $$"
        )
        yield dsn, partial(connection.execute, empty.encode())


@pytest.fixture
def emptied(_kept: tuple[str, Callable[[], object]]) -> str:
    """The URL of a database without rows, for a test that has none but the service's role: that can
    write rows and nothing else, and emptying takes an eighth of the time of cloning.
    """
    dsn, empty = _kept
    empty()
    return dsn


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection behind the service's back."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def defaults() -> Settings:
    """All settings but for the database; to read them takes as long as to make an application."""
    nowhere = "postgresql://nowhere/none"
    return Settings.model_validate({"database_url": nowhere, "jwt_secret": SECRET})


@pytest.fixture
def settings(request: pytest.FixtureRequest, defaults: Settings) -> Settings:
    """The service's settings on the test's database, as a role that may do what the statements need
    and no more; on a kept database if the test does nothing behind the service's back.
    """
    name = "database" if "database" in request.fixturenames else "emptied"
    url = as_service(request.getfixturevalue(name))
    return defaults.model_copy(update={"database_url": SecretStr(url)})


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Application]:
    """The running application, in the test's own event loop."""
    async with started(settings) as app:
        yield app


@contextlib.asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Application]:
    """An application between its start and its end."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


def client_of(app: Application) -> httpx.AsyncClient:
    """A client that calls the application directly, exceptions and all."""
    return DirectClient(app)


@pytest.fixture(autouse=True)
def _not_sweeping(monkeypatch: pytest.MonkeyPatch) -> None:
    """No write sweeps in passing: what a test counts does not depend on chance."""
    monkeypatch.setattr(transactions, "SWEEP_EVERY", sys.maxsize)


@pytest.fixture
def sweeping(monkeypatch: pytest.MonkeyPatch, _not_sweeping: None) -> None:
    """Every write sweeps what is old and its owner's."""
    monkeypatch.setattr(transactions, "SWEEP_EVERY", 1)


@pytest.fixture
async def client(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    async with client_of(app) as client:
        yield client


@lru_cache
def _token(user: str, now: int) -> str:
    """Return the user's token of that second."""
    return sign(SECRET, user, ttl=600)


@dataclass
class User:
    """A user with a token, at their own tasks."""

    client: httpx.AsyncClient
    id: str

    @property
    def home(self) -> str:
        """What all the user's paths begin with."""
        return f"/api/v1/users/{quote(self.id, safe='')}"

    @property
    def path(self) -> str:
        """The user's list of tasks."""
        return f"{self.home}/tasks"

    @property
    def headers(self) -> dict[str, str]:
        """A fresh token."""
        return {"Authorization": f"Bearer {_token(self.id, int(time.time()))}"}

    async def call(self, method: str, path: str = "", **options: Any) -> httpx.Response:
        """A request below the user's tasks, or anywhere when the path is a whole one."""
        url = path if path.startswith("/api") else self.path + path
        headers = {**self.headers, **options.pop("headers", {})}
        return await self.client.request(method, url, headers=headers, **options)

    async def create(self, title: str = "Buy milk", **members: Any) -> dict[str, Any]:
        """A new task, as answered."""
        response = await self.call("POST", json={"title": title, **members})
        assert response.status_code == 201, response.text
        task: dict[str, Any] = response.json()
        return task

    async def tasks(self, **query: Any) -> dict[str, Any]:
        """The list, as answered."""
        response = await self.call("GET", params=query)
        assert response.status_code == 200, response.text
        page: dict[str, Any] = response.json()
        return page


@pytest.fixture
def without_iris(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what imports jsonschema and checks no IRIs: a library for them, which that imports if it
    is there, takes 3 s to make its parser.
    """
    monkeypatch.setitem(sys.modules, "rfc3987_syntax", None)


@pytest.fixture
def user(client: httpx.AsyncClient) -> Callable[[str], User]:
    """Returns a user by id."""
    return lambda id: User(client, id)


@pytest.fixture
def alice(client: httpx.AsyncClient) -> User:
    return User(client, "alice")


@pytest.fixture
def bob(client: httpx.AsyncClient) -> User:
    return User(client, "bob")
