"""Requirements on the server and its role: reported by name, with the cure."""

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import psycopg
import pytest

from service.check import CheckError
from service.db.requirements import unmet, unmet_to_migrate, unmet_to_serve
from service.db.statements import shipped
from service.migrate import migrations
from service.migrate.schema import MigrationError
from service.serving import check_schema
from service.settings import DatabaseSettings, Settings
from tests.conftest import (
    ROLE,
    administer,
    as_service,
    client_of,
    report_on,
    started,
    with_database,
)

SOUND = {
    "version": 150_000,
    "encoding": "UTF8",
    "folds": True,
    "role": "service",
    "database": "tasks",
    "home": "public",
    "creates": True,
    "denied": None,
}


@pytest.mark.parametrize(
    ("so", "name", "said"),
    [
        ({"version": 140_011}, "version", "PostgreSQL 14.11; 15 or later is needed"),
        ({"encoding": "SQL_ASCII"}, "encoding", "of the database tasks is SQL_ASCII; it must be"),
        ({"folds": False}, "locale", "of the database tasks knows no letters beyond ASCII"),
        ({"home": None, "role": "A b"}, "rights", 'GRANT USAGE ON SCHEMA public TO "A b";'),
    ],
)
def test_version_encoding_and_schema_are_required_by_every_command(
    so: dict[str, object], name: str, said: str
) -> None:
    """Version, encoding and a usable schema: every command names the one that is missing."""
    assert unmet(SOUND) is unmet_to_serve(SOUND) is unmet_to_migrate(SOUND) is None
    for look in (unmet, unmet_to_serve, unmet_to_migrate):
        missing = look({**SOUND, **so})
        assert missing is not None
        assert missing.name == name
        assert said in missing.sentence


def test_each_command_requires_only_its_own_rights() -> None:
    """Migrations need to create tables, the service its grants; neither needs the other's."""
    guest, owner = {**SOUND, "creates": False}, {**SOUND, "denied": "DELETE ON tasks"}
    assert unmet_to_serve(guest) is unmet_to_migrate(owner) is unmet(guest) is unmet(owner) is None
    missing = unmet_to_serve(owner)
    assert missing is not None
    assert "The role service lacks DELETE ON tasks" in missing.sentence


@pytest.fixture
def guest(server_dsn: str, empty_database: str) -> Iterator[str]:
    """The URL of a role that may connect, and has been given nothing else."""
    name = f"Guest {uuid4().hex}"
    administer(server_dsn, f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'hunter2'")
    parts = urlsplit(empty_database)
    account = f"{name.replace(' ', '%20')}:hunter2"
    host = parts.netloc.rpartition("@")[2]
    yield urlunsplit(parts._replace(netloc=f"{account}@{host}"))
    administer(empty_database, f'DROP OWNED BY "{name}"', f'DROP ROLE "{name}"')


@pytest.mark.usefixtures("straight")
async def test_migrate_says_which_grant_is_missing(guest: str, empty_database: str) -> None:
    """Without CREATE on the schema nothing is done; running what the message says is enough. Once
    all is applied the right is no longer needed.
    """
    with pytest.raises(MigrationError, match="may not make tables in the schema public") as raised:
        await migrations.migrate(guest)
    with psycopg.connect(empty_database) as owner:
        assert owner.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)
        grant = re.search(r"GRANT CREATE ON SCHEMA public TO .*;", str(raised.value))
        assert grant
        owner.execute(grant[0].encode())
    assert await migrations.migrate(guest)
    administer(empty_database, grant[0].replace("GRANT", "REVOKE").replace(" TO ", " FROM "))
    assert await migrations.migrate(guest) == []


@pytest.fixture
def latin(server_dsn: str) -> Iterator[str]:
    """The URL of a database in Latin-1."""
    name = f"latin_{uuid4().hex}"
    administer(
        server_dsn,
        f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0",
    )
    yield with_database(server_dsn, name)
    administer(server_dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def test_another_encoding_is_refused_by_name(latin: str) -> None:
    """`migrate`, `check` and `serve` say what the encoding is and what it must be; readiness names
    the check that failed.
    """
    said = "is LATIN1; it must be UTF8"
    with pytest.raises(MigrationError, match=said):
        await migrations.migrate(latin)
    with pytest.raises(CheckError, match=said):
        await report_on(latin)
    settings = {"database_url": latin, "jwt_secret": "a secret for tests, 32 characters and more"}
    with pytest.raises(MigrationError, match=said):
        await check_schema(DatabaseSettings.model_validate(settings))
    async with started(Settings.model_validate(settings)) as app, client_of(app) as client:
        probed = await client.get("/readyz")
    assert (probed.status_code, probed.json()["checks"]["database"]) == (503, "encoding")


async def test_readiness_names_missing_rights(
    settings: Settings, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a right the service is not ready, and the log says which; once granted, it is."""
    await connection.execute(f"REVOKE DELETE ON tasks FROM {ROLE}")
    await connection.execute(f"REVOKE UPDATE ON owners FROM {ROLE}")
    async with started(settings) as app, client_of(app) as client:
        probed = await client.get("/readyz")
        assert (probed.status_code, probed.json()["checks"]["database"]) == (503, "rights")
        assert f"The role {ROLE} lacks UPDATE ON owners, DELETE ON tasks." in caplog.text
        await connection.execute(f"GRANT UPDATE (sequence) ON owners TO {ROLE}")
        await connection.execute(f"GRANT DELETE ON tasks TO {ROLE}")
        async with asyncio.timeout(5):  # an answer is good for a moment
            while (await client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.05)


async def test_serve_names_missing_rights(database: str, connection: asyncpg.Connection) -> None:
    """A role without USAGE on the schema gets that message, not that tables are missing."""
    await connection.execute(f"REVOKE USAGE ON SCHEMA public FROM PUBLIC, {ROLE}")
    settings = DatabaseSettings.model_validate({"database_url": as_service(database)})
    with pytest.raises(MigrationError, match=f"GRANT USAGE ON SCHEMA public TO {ROLE};"):
        await check_schema(settings)


async def test_the_rights_looked_for_are_those_that_the_statements_need(database: str) -> None:
    """What `schema/server` looks for is what the check grants, kind by kind."""
    text = shipped()["schema/server"].text
    looked_for = set(re.findall(r"\('(\w+)', '(\w+)'\)", text))
    granted = {
        (found[2], kind)
        for grant in (await report_on(database, role="somebody")).grants
        if (found := re.fullmatch(r"GRANT (.*) ON public\.(\w+) TO somebody;", grant))
        for kind in re.findall(r"(?:SELECT|INSERT|UPDATE|DELETE)", found[1])
    }
    assert looked_for == granted


async def test_a_locale_without_letters_is_refused_by_name(server_dsn: str) -> None:
    """In the locale C a search would miss `Müll` for `müll`: `migrate` says what to do."""
    name = f"ascii_{uuid4().hex}"
    administer(
        server_dsn,
        f"CREATE DATABASE {name} ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0",
    )
    with pytest.raises(MigrationError, match="knows no letters beyond ASCII"):
        await migrations.migrate(with_database(server_dsn, name))
    administer(server_dsn, f"DROP DATABASE {name}")
