"""TLS to the database: which certificates are accepted. PgBouncer is the server."""

import logging
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from service.database_url import parse
from service.db.connect import Connector
from service.db.errors import FAULTS
from service.migrate.migrations import status
from service.migrate.schema import MigrationError
from service.settings import Settings
from tests.authority import Authority, Pair
from tests.conftest import ROLE, SECRET, as_service, client_of, started
from tests.pooler import pgbouncer, through
from tests.relay import relay


class Trust(NamedTuple):
    """The CAs that a client can be configured to trust."""

    right: Authority
    """Who signed the server's certificate, which is for `localhost`."""
    other: Authority
    server: Pair
    client: Pair


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    folder = tmp_path_factory.mktemp("trust")
    right, other = Authority(folder, "right"), Authority(folder, "other")
    return Trust(right, other, right.issue("localhost"), right.issue("postgres"))


def demanding(server_dsn: str, folder: Path, pair: Pair, **options: str) -> Iterator[int]:
    """A PgBouncer that wants TLS and shows that certificate."""
    (folder / "tls.crt").write_bytes(pair.certificate.read_bytes())
    (folder / "tls.key").write_bytes(pair.key.read_bytes())
    tls = {
        "client_tls_sslmode": "require",
        "client_tls_key_file": "tls.key",
        "client_tls_cert_file": "tls.crt",
    }
    with pgbouncer(server_dsn, folder, [("postgres", ""), (ROLE, ROLE)], tls | options) as port:
        yield port


@pytest.fixture(scope="module")
def server(
    server_dsn: str, trust: Trust, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of a server that proves to be `localhost`."""
    yield from demanding(server_dsn, tmp_path_factory.mktemp("pgbouncer"), trust.server)


async def reaches(url: str) -> bool:
    """Whether a connection comes about; the servers here take none that is not encrypted."""
    try:
        connection = await Connector(parse(url))()
    except FAULTS:
        return False
    await connection.close()
    return True


@pytest.mark.parametrize(
    ("mode", "roots", "host", "believed"),
    [
        ("verify-full", "right", "localhost", True),
        ("verify-full", "right", "127.0.0.1", False),
        ("verify-full", "other", "localhost", False),
        ("verify-full", "system", "localhost", False),
        ("require", "right", "localhost", True),
        ("require", "right", "127.0.0.1", False),
        ("require", "other", "localhost", False),
        ("require", "", "localhost", False),
        ("verify-ca", "right", "localhost", True),
        ("verify-ca", "right", "127.0.0.1", True),
        ("verify-ca", "other", "localhost", False),
        ("", "right", "localhost", True),
        ("", "other", "localhost", False),
        ("", "right", "127.0.0.1", False),
        ("prefer", "", "127.0.0.1", True),
        ("allow", "", "127.0.0.1", True),
        ("disable", "", "localhost", False),
    ],
)
async def test_a_server_is_trusted_by_authority_and_name(
    server_dsn: str, server: int, trust: Trust, mode: str, roots: str, host: str, believed: bool
) -> None:
    """A server is trusted if its authority is trusted and the name is its own; a weaker mode checks
    less.
    """
    files = {
        "right": str(trust.right.certificate),
        "other": str(trust.other.certificate),
        "system": "system",
        "": "",
    }
    given = {
        name: value for name, value in (("sslmode", mode), ("sslrootcert", files[roots])) if value
    }
    assert await reaches(through(server_dsn, server, host, **given)) is believed


async def test_without_sslrootcert_the_systems_authorities_count(
    server_dsn: str, server: int, trust: Trust, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `sslrootcert` the system's authorities count, which SSL_CERT_FILE can name."""
    monkeypatch.setenv("SSL_CERT_FILE", str(trust.right.certificate))
    assert await reaches(
        through(server_dsn, server, "localhost", sslmode="require", application_name="system")
    )


async def test_a_self_signed_certificate_in_sslrootcert_is_trusted(
    server_dsn: str, trust: Trust, tmp_path: Path
) -> None:
    """A server's own certificate in `sslrootcert` makes that server believed, by `verify-ca` under
    any name.
    """
    pair = trust.other.self_signed("db.internal")
    for port in demanding(server_dsn, tmp_path, pair):
        itself = {"sslrootcert": str(pair.certificate)}
        assert await reaches(through(server_dsn, port, "localhost", sslmode="verify-ca", **itself))
        assert not await reaches(
            through(server_dsn, port, "localhost", sslmode="require", **itself)
        )


async def test_a_client_certificate_is_sent_where_required(
    server_dsn: str, trust: Trust, tmp_path: Path
) -> None:
    """A server that requires client certificates accepts that of `sslcert` and `sslkey`, and none
    without.
    """
    (tmp_path / "ca.crt").write_bytes(trust.right.certificate.read_bytes())
    for port in demanding(
        server_dsn,
        tmp_path,
        trust.server,
        client_tls_sslmode="verify-full",
        client_tls_ca_file="ca.crt",
    ):
        roots = {"sslrootcert": str(trust.right.certificate)}
        mine = {"sslcert": str(trust.client.certificate), "sslkey": str(trust.client.key)}
        assert await reaches(through(server_dsn, port, "localhost", **roots, **mine))
        assert not await reaches(through(server_dsn, port, "localhost", **roots))


def presenting(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.set_alpn_protocols(["postgresql"])
    return context


@pytest.mark.parametrize("direct", [False, True])
async def test_both_drivers_accept_and_refuse_the_same_servers(
    database: str, trust: Trust, direct: bool
) -> None:
    """The service and the migrations accept and refuse the same servers, with TLS asked for first
    or from the first byte.
    """
    async with relay(database, tls=presenting(trust.server), direct=direct) as port:
        asked = {"sslnegotiation": "direct"} if direct else {}
        for roots, host, believed in (
            (trust.right, "localhost", True),
            (trust.right, "127.0.0.1", False),
            (trust.other, "localhost", False),
        ):
            url = through(
                database, port, host, sslmode="require", sslrootcert=str(roots.certificate), **asked
            )
            assert await reaches(url) is believed
            try:
                found = bool(await status(url))
            except MigrationError as error:
                assert "certificate" in str(error)
                found = False
            assert found is believed


async def test_neons_url_parameters_work(database: str, trust: Trust) -> None:
    """`sslmode=require&channel_binding=require`, as Neon's console writes it, connects, where the
    certificate is right.
    """
    async with relay(database, tls=presenting(trust.server)) as port:
        roots = str(trust.right.certificate)
        assert await reaches(
            through(
                database,
                port,
                "localhost",
                sslmode="require",
                channel_binding="require",
                sslrootcert=roots,
            )
        )


async def test_an_untrusted_server_is_logged_and_not_ready(
    database: str, server: int, trust: Trust, caplog: pytest.LogCaptureFixture
) -> None:
    """With a server that is not who it should be the service is not ready; the log says why, the
    answer does not.
    """
    url = through(
        as_service(database),
        server,
        "127.0.0.1",
        sslmode="require",
        sslrootcert=str(trust.right.certificate),
    )
    with caplog.at_level(logging.ERROR):
        async with (
            started(Settings.model_validate({"database_url": url, "jwt_secret": SECRET})) as app,
            client_of(app) as client,
        ):
            answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "certificate" not in answer.text
    assert any(
        "the database's certificate is refused: IP address mismatch" in record.message
        for record in caplog.records
    )


async def test_a_server_without_tls_gets_nothing_in_the_clear(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Where TLS is required and missing, nothing is sent in the clear, and the log says how to do
    without.
    """
    async with relay(database) as port:
        assert not await reaches(through(database, port, "localhost", sslmode="require"))
    assert "sslmode=disable" in caplog.text
