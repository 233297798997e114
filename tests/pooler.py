"""PgBouncer in transaction mode, in front of the tests' server."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import pytest

from service.database_url import Dsn, parse
from service.dev.programs import account_for

PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
"""Debian puts it where ordinary accounts do not look."""


@contextlib.contextmanager
def pgbouncer(
    dsn: str, folder: Path, logins: Sequence[tuple[str, str]], options: Mapping[str, str] = {}
) -> Iterator[int]:
    """The port on loopback of a PgBouncer for all databases of that server, for these users with
    their passwords.
    """
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port: int = reserved.getsockname()[1]
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "trust",
        "auth_file": "users",
        "pool_mode": "transaction",
        "max_client_conn": "500",
        "default_pool_size": "10",
        "logfile": "log",
        **options,
    }
    target = parse(dsn)
    lines = ["[databases]", f"* = host={_reachable(target)} port={target.ports[0]}", "[pgbouncer]"]
    (folder / "ini").write_text(
        "\n".join([*lines, *(f"{name} = {value}" for name, value in settings.items())]) + "\n"
    )
    (folder / "users").write_text("".join(f'"{user}" "{password}"\n' for user, password in logins))
    account = account_for(folder)  # it refuses root, as PostgreSQL does
    if account:
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.uid, account.gid)
    process = subprocess.Popen(
        ["pgbouncer", "--quiet", "ini"],
        cwd=folder,  # entered while we are still root: the way there may be closed to that account
        env={"PATH": PATH},
        stdin=subprocess.DEVNULL,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    try:
        _wait_for(port, process, folder / "log")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


def _reachable(target: Dsn) -> str:
    """The server's host; of a socket below a folder closed to others, the server's own view
    of it.
    """
    host = target.hosts[0]
    if not host.startswith("/") or os.geteuid() != 0:
        return host
    return f"/proc/{(Path(host) / 'postmaster.pid').read_text().split()[0]}/cwd"


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)


def through(dsn: str, port: int, host: str = "127.0.0.1", **parameters: str) -> str:
    """The same database by way of that port, with these parameters."""
    parts, target = urlsplit(dsn), parse(dsn).parameters
    login = parts.netloc.rpartition("@")[0] or target["user"]
    return urlunsplit(
        ("postgresql", f"{login}@{host}:{port}", f"/{target['dbname']}", urlencode(parameters), "")
    )


_routes: dict[tuple[tuple[str, ...], tuple[int, ...]], int] = {}


@contextlib.contextmanager
def everything_through_pgbouncer(
    dsn: str, folder: Path, logins: Sequence[tuple[str, str]]
) -> Iterator[None]:
    """Lead every service under test to that server through a PgBouncer; what the tests do
    themselves goes straight there.
    """
    target = parse(dsn)
    login = (target.parameters["user"], target.parameters.get("password", ""))
    with (
        pgbouncer(dsn, folder, [login, *logins], {"server_idle_timeout": "5"}) as port,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setitem(_routes, (target.hosts, target.ports), port)
        patch.setattr("service.db.pool.parse", lambda url: parse(routed(url)))
        yield


@contextlib.contextmanager
def no_pooler() -> Iterator[None]:
    """Lead them straight there for once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.pooler._routes", {})
        yield


def routed(dsn: str) -> str:
    """The way that a service under test takes to that database."""
    try:
        target = parse(dsn)
    except ValueError:
        return dsn
    port = _routes.get((target.hosts, target.ports))
    return dsn if port is None else through(dsn, port)
