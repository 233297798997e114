"""Database URLs that lead to a session of our own, and those that are refused."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from service.migrate.direct import parameters_of
from service.migrate.migrations import migrate, status
from service.migrate.schema import MigrationError


@contextlib.asynccontextmanager
async def pooler(dsn: str, refusal: bytes | None) -> AsyncIterator[str]:
    """A man in the middle that treats session settings as poolers do: refuses them with the text
    given, or drops them.
    """
    target = conninfo_to_dict(dsn)
    host, port = str(target["host"]), target.get("port", "5432")
    pumps: list[asyncio.Task[None]] = []

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        startup = await reader.readexactly(length - 4)
        if refusal is not None:
            fields = b"SFATAL\0VFATAL\0C08P01\0M" + refusal + b"\0\0"
            writer.write(b"E" + struct.pack("!I", len(fields) + 4) + fields)
            writer.close()
            return
        version, pairs = startup[:4], startup[4:].rstrip(b"\0").split(b"\0")
        kept = [
            part
            for key, value in zip(pairs[::2], pairs[1::2], strict=True)
            if key != b"options"
            for part in (key, value)
        ]
        body = version + b"\0".join(kept) + b"\0\0"
        up = (
            asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
            if host[0] == "/"
            else asyncio.open_connection(host, port)
        )
        above, below = await up
        below.write(struct.pack("!I", len(body) + 4) + body)
        pumps.extend(
            [asyncio.create_task(pump(reader, below)), asyncio.create_task(pump(above, writer))]
        )

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listening = server.sockets[0].getsockname()[1]
    login = f"{target['user']}:{target['password']}" if "password" in target else target["user"]
    try:
        yield f"postgresql://{login}@127.0.0.1:{listening}/{target['dbname']}?sslmode=disable&gssencmode=disable"
    finally:
        server.close()
        await asyncio.gather(*pumps)
        await server.wait_closed()


@pytest.mark.parametrize(
    "host",
    [
        "ep-cool-sea-123456-pooler.eu-central-1.aws.neon.tech",
        "one.example,two-pooler.example",
        "EP-X-POOLER.NEON.TECH",
    ],
)
async def test_a_host_that_says_pooler_is_refused(host: str) -> None:
    """A host named `…-pooler` is refused without connecting, and the message names the setting to
    use.
    """
    with pytest.raises(MigrationError, match="DIRECT_URL"):
        await migrate(f"postgresql://alice:secret@{host}/tasks")


@pytest.mark.parametrize(
    "refusal",
    [
        b"unsupported startup parameter in options: lock_timeout",
        b"unsupported startup parameter: options",
        None,
    ],
)
async def test_a_pooler_is_recognized_by_lost_session_settings(
    empty_database: str, refusal: bytes | None
) -> None:
    """Whatever its name, a server that refuses or forgets session settings is a pooler, and refused
    before anything is done.
    """
    async with pooler(empty_database, refusal) as dsn:
        with pytest.raises(MigrationError, match="DIRECT_URL"):
            await migrate(dsn)
    with psycopg.connect(empty_database) as server:
        assert server.execute("SELECT to_regclass('_yoyo_migration')").fetchone() == (None,)


async def test_a_url_that_says_pgbouncer_is_refused() -> None:
    """A URL that names the pooler in its parameters is refused without connecting."""
    with pytest.raises(MigrationError, match="DIRECT_URL"):
        await migrate("postgresql://alice:secret@127.0.0.1:1/tasks?pgbouncer=true")


async def test_asyncpgs_parameters_are_left_out(empty_database: str) -> None:
    """Parameters for asyncpg alone are no fault here; those for both drivers count."""
    joint = "&" if "?" in empty_database else "?"
    dsn = f"{empty_database}{joint}statement_cache_size=0&pgbouncer=false&connect_timeout=3&sslmode=prefer"
    assert parameters_of(dsn)["connect_timeout"] == "3"
    assert await migrate(dsn) == [s.id for s in await status(empty_database)]


def test_the_urls_own_options_are_kept() -> None:
    """Settings that the URL brings stay; the migrations' own come last and win."""
    options = parameters_of("postgresql://a@b/c?options=endpoint%3Dep-x%20-c%20lock_timeout%3D0")[
        "options"
    ]
    assert options.startswith("endpoint=ep-x -c lock_timeout=0 -c lock_timeout=2000 ")


def test_an_escaped_password_is_kept() -> None:
    """Escapes in the URL are left to libpq, plus signs too."""
    parameters = parameters_of("postgresql://a%40b:p%2Bq+r@host:5433/d%20b")
    assert [parameters[key] for key in ("user", "password", "host", "port", "dbname")] == [
        "a@b",
        "p+q+r",
        "host",
        "5433",
        "d b",
    ]


@pytest.mark.parametrize(
    "dsn",
    [
        "alice:hunter2@host/tasks",
        "mysql://alice:hunter2@host/tasks",
        "postgresql://a:hunter2@[::1/t",
        "",
    ],
)
async def test_an_unreadable_urls_password_is_not_shown(dsn: str) -> None:
    """A URL that cannot be parsed is refused without showing its password."""
    with pytest.raises(MigrationError) as raised:
        await status(dsn or "postgresql://a:hunter2@[/")
    assert "hunter2" not in str(raised.value)
    assert raised.value.__suppress_context__


async def test_a_missing_server_is_one_migration_error(empty_database: str) -> None:
    """No server: one MigrationError, not a driver's traceback."""
    with pytest.raises(MigrationError, match="Cannot connect"):
        await status("postgresql://alice:hunter2@127.0.0.1:1/tasks")
