"""A local PostgreSQL for `dev` and the tests: a child process that ends with this one, however it
ends.

Beside the data folder `pg` are `pg.lock` (held by the owner process), `pg.log` (the server's output
since its last start) and, during the first start, `pg.new`. The server listens only on a socket
inside the data folder, which one account alone can open: no password and no port is needed.

Two locks guard the folder. The owner's dies with the owner and refuses a second one at once. The
log's is inherited by initdb, the postmaster and every backend, so it is free once the last process
of an earlier run has ended.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from .children import FAST_STOP, LINUX, run, spawn, stop, tail, watched
from .programs import Account, LocalPostgresError, account_for, binaries_for

DATABASE = "tasks"
PORT = "5432"  # only a part of the socket's name; in the URL because PGPORT would count otherwise
SOCKET = f".s.PGSQL.{PORT}"
SOCKET_PATH_LIMIT = 103  # bytes: macOS's limit, four below Linux's
START_LIMIT = 120.0  # seconds; a start after a crash replays the log first

SETTINGS = {"timezone": "UTC", "log_timezone": "UTC", "log_checkpoints": "off"}
# "." is the data folder, the server's working directory: never too long for a socket's path, and
# always accessible to its account.
ADDRESS = {"listen_addresses": "", "unix_socket_directories": ".", "port": PORT}
LAYOUT = (
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C.UTF-8",
    "--encoding=UTF8",
)
ACCESS = ("--username=postgres", "--auth-local=trust", "--auth-host=reject")


@dataclass(frozen=True)
class LocalPostgres:
    """A running server: `dsn` for asyncpg, psycopg and psql; `pid` of the postmaster; `data`, its
    folder.
    """

    dsn: str
    pid: int
    data: Path


@contextmanager
def running(data: Path, options: Mapping[str, str] = {}) -> Iterator[LocalPostgres]:
    """Run PostgreSQL on the folder `data` for the `with` block; create a missing or empty one.

    `options` are server settings (`{"fsync": "off"}`), without the address. Call it from a thread
    that lives as long as the block: Linux ends the server with the thread that started it. Raises
    LocalPostgresError if the folder is in use, the server's files are missing, or it is not ready
    within 120 seconds.
    """
    data = data.resolve()
    account = account_for(data)
    binaries = binaries_for(account)
    with _owned(data) as log:
        if not (data / "PG_VERSION").exists():
            _create(data, binaries, account, log, durable=options.get("fsync") != "off")
        _clear_stale_pid_files(data)
        with _serving(data, binaries, account, log, options) as (pid, host):
            yield LocalPostgres(
                f"postgresql://postgres@/{DATABASE}?host={quote(str(host))}&port={PORT}", pid, data
            )


@contextmanager
def _owned(data: Path) -> Iterator[BinaryIO]:
    """Hold both locks; yield the emptied log, whose lock every child inherits."""
    with _private_file(data, "lock") as lock, _private_file(data, "log") as log:
        if not _try_lock(lock):
            lock.seek(0)
            raise LocalPostgresError(
                f"{data} is in use by process {lock.read().decode()}: stop that one, or use its"
                " database"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()).encode())
        lock.flush()
        deadline = time.monotonic() + FAST_STOP
        while not _try_lock(log):
            if time.monotonic() > deadline:
                raise LocalPostgresError(
                    f"PostgreSQL processes of an earlier run still use {data}: stop them and try"
                    " again"
                )
            time.sleep(0.02)
        log.truncate(0)
        yield log


def _private_file(data: Path, kind: str) -> BinaryIO:
    path = data.with_name(f"{data.name}.{kind}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        return path.open("a+b")
    except OSError as error:
        raise LocalPostgresError(
            f"cannot write {path}: {error}; was it made by another account?"
        ) from error


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _create(
    data: Path, binaries: Path, account: Account | None, log: BinaryIO, *, durable: bool
) -> None:
    """Create a cluster with its database in a sibling folder and rename it: `data` is complete or
    absent.
    """
    if data.exists() and any(data.iterdir()):
        raise LocalPostgresError(
            f"{data} holds something, but not a PostgreSQL cluster: name another folder or empty it"
        )
    new = data.with_name(f"{data.name}.new")
    if new.exists():
        shutil.rmtree(new)  # of a first start that was killed
    new.mkdir(mode=0o700)
    if account:
        os.chown(new, account.uid, account.gid)
    initdb = [str(binaries / "initdb"), "-D", _folder_argument(new, account)]
    run([*initdb, "--no-sync", *LAYOUT, *ACCESS], new, account, log)
    with _serving(new, binaries, account, log, {"fsync": "off"}) as (_, host):
        run(
            [
                str(binaries / "createdb"),
                f"--host={host}",
                f"--port={PORT}",
                "--username=postgres",
                DATABASE,
            ],
            new,
            None,
            log,
        )
    if durable:
        run([*initdb, "--sync-only"], new, account, log)
    new.rename(data)
    if durable:  # a power cut that undoes the rename would lose all later commits
        parent = os.open(data.parent, os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)


def _clear_stale_pid_files(data: Path) -> None:
    """Remove the pid files of a killed server: PostgreSQL does not start while any live process has
    that pid.

    The log's lock proves that no server of ours runs. A server started by hand is recognised by its
    working directory, which only Linux shows. On other systems the files stay, and PostgreSQL
    decides.
    """
    if not LINUX:
        return
    pid_file = data / "postmaster.pid"
    # No such file or process, half a file, somebody else's process
    with suppress(OSError, ValueError, IndexError):
        pid = int(pid_file.read_text().split()[0])
        if Path(f"/proc/{pid}/cwd").samefile(data):
            raise LocalPostgresError(
                f"a PostgreSQL that was not started from here, process {pid}, runs on {data}: stop"
                " it first"
            )
    pid_file.unlink(missing_ok=True)
    (data / f"{SOCKET}.lock").unlink(missing_ok=True)


@contextmanager
def _serving(
    folder: Path, binaries: Path, account: Account | None, log: BinaryIO, options: Mapping[str, str]
) -> Iterator[tuple[int, Path]]:
    """Run the server; yield its pid and the folder that clients use as host."""
    settings = {**SETTINGS, **options, **ADDRESS}
    command = [str(binaries / "postgres"), "-D", _folder_argument(folder, account)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with _client_path(folder) as host:
        server = spawn(command, folder, account, log)
        try:
            with watched(server):
                _wait_until_ready(server, folder, host, log)
                yield server.pid, host
        finally:
            stop(server)


def _folder_argument(folder: Path, account: Account | None) -> str:
    # Every child starts in its folder while still root. "." leads there under another account too;
    # the folder's own path may lead through a home that is closed to it.
    return "/proc/self/cwd" if account and LINUX else str(folder)


@contextmanager
def _client_path(folder: Path) -> Iterator[Path]:
    """Yield the folder, or a short link to it if its path does not fit a socket address (or has a
    comma).
    """
    if len(os.fsencode(folder / SOCKET)) <= SOCKET_PATH_LIMIT and "," not in str(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as short:
        link = Path(short, "pg")
        link.symlink_to(folder)
        yield link


def _wait_until_ready(
    server: subprocess.Popen[bytes], folder: Path, host: Path, log: BinaryIO
) -> None:
    deadline = time.monotonic() + START_LIMIT
    while server.poll() is None and time.monotonic() < deadline:
        if _is_ready(folder, host):
            return
        time.sleep(0.01)
    state = (
        f"is not ready after {START_LIMIT:.0f} s"
        if server.returncode is None
        else f"ended with status {server.returncode}"
    )
    raise LocalPostgresError(f"PostgreSQL on {folder} {state}; the end of {log.name}:\n{tail(log)}")


def _is_ready(folder: Path, host: Path) -> bool:
    try:
        if (folder / "postmaster.pid").read_text().splitlines()[7].strip() != "ready":
            return False
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(host / SOCKET))
    except (OSError, IndexError):  # not written yet, or half of it
        return False
    return True
