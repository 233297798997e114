"""TCP keepalive and timeouts on connections to the database."""

import socket

import pytest

from service.database_url import parse
from service.db.connect import Connector
from tests.faults.wire import Wire

OPTIONS = {
    "keepalives": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "keepalives_idle": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    "keepalives_interval": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    "keepalives_count": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    "tcp_user_timeout": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
}


async def options(dsn: str, **parameters: int) -> dict[str, int]:
    """What is set on the socket of a connection by that URL with these parameters."""
    query = "".join(f"&{name}={value}" for name, value in parameters.items())
    connection = await Connector(parse(dsn + query))()
    try:
        return {name: connection.socket.getsockopt(*where) for name, where in OPTIONS.items()}
    finally:
        await connection.close()


async def system(name: str) -> int:
    """What the system sets."""
    with socket.socket() as fresh:
        return fresh.getsockopt(*OPTIONS[name])


async def test_by_default_a_silent_connection_is_probed_every_30_seconds(
    empty_database: str,
) -> None:
    """A silent connection is probed every 30 seconds, and ends if data is not acknowledged within
    three seconds.
    """
    async with Wire(empty_database).laid() as wire:
        assert await options(wire.dsn) == {
            "keepalives": 1,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 3000,
        }


async def test_the_urls_keepalive_parameters_are_used(empty_database: str) -> None:
    """Libpq's keepalive parameters in the URL are honoured."""
    given = {
        "keepalives": 1,
        "keepalives_idle": 7,
        "keepalives_interval": 2,
        "keepalives_count": 5,
        "tcp_user_timeout": 1234,
    }
    async with Wire(empty_database).laid() as wire:
        assert await options(wire.dsn, **given) == given


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "keepalives"])
async def test_zero_keeps_the_systems_default(empty_database: str, name: str) -> None:
    """As in libpq, 0 keeps the system's value."""
    async with Wire(empty_database).laid() as wire:
        assert (await options(wire.dsn, **{name: 0}))[name] == await system(name)


async def test_keepalives_0_turns_probes_off(empty_database: str) -> None:
    """`keepalives=0` sends no probes; the time-out for data that was sent stays."""
    async with Wire(empty_database).laid() as wire:
        seen = await options(wire.dsn, keepalives=0)
    assert (seen["keepalives"], seen["tcp_user_timeout"]) == (0, 3000)


@pytest.mark.usefixtures("straight")
async def test_a_unix_socket_has_no_keepalive(empty_database: str) -> None:
    """A Unix socket needs no keepalive."""
    if parse(empty_database).hosts[0].startswith("/"):
        connection = await Connector(parse(empty_database))()
        assert connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
        await connection.close()
