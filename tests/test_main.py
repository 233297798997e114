"""The command line as real processes: they start, refuse to start, and end."""

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.__main__ import main
from service.migrate.schema import files
from tests.commands import ROOT, TASKS, Running, command, create, environment, running, started
from tests.conftest import SECRET


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_acknowledged_tasks_outlive_the_process(
    tmp_path: Path, database: str, number: signal.Signals
) -> None:
    """What was acknowledged is there after the process has ended, kindly or not, and started
    again.
    """
    with running("serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET) as first:
        task = create(first.client, "before the end")
        status = first.end(number)
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    with running("serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET) as second:
        assert second.client.get(TASKS).json()["items"] == [task]


def test_several_workers_share_the_port_and_end_together(tmp_path: Path, database: str) -> None:
    """Several workers share the port and end together."""
    with running(
        "serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET, WORKERS="2"
    ) as run:
        started(run, 2)
        create(run.client, "one of many")
        assert run.end(signal.SIGTERM) == 0


@pytest.mark.usefixtures("straight")  # a pooler would be told of first
def test_every_line_of_the_log_is_json(tmp_path: Path, database: str) -> None:
    """With LOG_FORMAT=json, which is the default, every line from start to end is a JSON object."""
    with running("serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET) as run:
        create(run.client, "a secret title")
        run.end(signal.SIGTERM)
    documents = [json.loads(line) for line in run.lines]
    assert [
        document["status"] for document in documents if document["logger"] == "service.access"
    ] == [201]
    assert (
        documents[0].items()
        >= {
            "message": "task-service starts",
            "workers": 1,
            "metrics": "off",
            "tokens": "secret",
            "iss": "not checked",
            "aud": "refused",
        }.items()
    )
    assert [document["message"] for document in documents[-2:]] == [
        f"Finished server process [{run.process.pid}]",
        "task-service has ended",
    ]
    assert "a secret title" not in "".join(run.lines)
    assert SECRET not in "".join(run.lines)


def test_serve_lists_all_faulty_settings(tmp_path: Path) -> None:
    """A start with faults in several settings is refused with one message that has them all, and no
    values.
    """
    ended = command(
        "serve", cwd=tmp_path, JWT_SECRET="hunter2", PORT="99999", CORS_ORIGINS="*", DB_POOL_MAX="0"
    )
    assert ended.returncode == 1
    for name in ("DATABASE_URL", "JWT_SECRET", "PORT", "CORS_ORIGINS", "DB_POOL_MAX"):
        assert f"{name}: " in ended.stderr
    assert "hunter2" not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


def test_serve_refuses_an_old_schema(tmp_path: Path, empty_database: str) -> None:
    """On a schema that is behind, `serve` says which command to run and does not start."""
    ended = command("serve", cwd=tmp_path, DATABASE_URL=empty_database, JWT_SECRET=SECRET)
    assert ended.returncode == 1
    assert "python -m service migrate" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_serve_starts_without_the_database(tmp_path: Path) -> None:
    """With the database unreachable `serve` starts all the same, says so, and answers 503."""
    nothing = "postgresql://postgres@127.0.0.1:1/nothing"
    with running("serve", cwd=tmp_path, DATABASE_URL=nothing, JWT_SECRET=SECRET) as run:
        assert run.client.get("/livez").status_code == 200
        assert run.client.get("/readyz").status_code == 503
        assert run.client.get(TASKS).status_code == 503
        assert run.end(signal.SIGTERM) == 0
    assert any("the database is unreachable" in line for line in run.lines)


def test_a_service_port_in_use_ends_the_start(tmp_path: Path, database: str) -> None:
    """A port that is taken ends the start with a message."""
    with running("serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET) as run:
        taken = str(run.client.base_url.port)
        ended = command("serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET, PORT=taken)
    assert ended.returncode > 0
    assert "address already in use" in ended.stderr


def test_migrate_applies_lists_and_undoes(tmp_path: Path, empty_database: str) -> None:
    """`migrate` applies what is missing, once; `--status` lists, `--rollback` undoes."""
    every = list(files())
    run = partial(command, "migrate", cwd=tmp_path, DATABASE_URL=empty_database)
    assert run().stdout.splitlines() == [f"applied {name}" for name in every]
    assert run().stdout == "applied nothing: the schema is up to date\n"
    assert run("--rollback", "1").stdout == f"rolled back {every[-1]}\n"
    status = run("--status").stdout.splitlines()
    assert [line.split()[0] for line in status] == every
    assert "pending" in status[-1]
    assert "pending" not in "".join(status[:-1])


def test_migrate_prefers_direct_url(tmp_path: Path, empty_database: str) -> None:
    """Where there is a DIRECT_URL, migrations take it instead of DATABASE_URL."""
    ended = command(
        "migrate",
        cwd=tmp_path,
        DATABASE_URL="postgresql://db-pooler.example/x",
        DIRECT_URL=empty_database,
    )
    assert ended.returncode == 0, ended.stderr


def test_migrate_without_a_database_is_one_message(tmp_path: Path) -> None:
    """A database that does not answer is a message, without a traceback or the password."""
    ended = command(
        "migrate", cwd=tmp_path, DATABASE_URL="postgresql://postgres:hunter2@127.0.0.1:1/nothing"
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("task-service:")
    assert "Traceback" not in ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_printed_token_is_valid(tmp_path: Path, client_with_secret: httpx.Client) -> None:
    """A token that the command prints is one that the service takes."""
    made = command(
        "token",
        "alice",
        "--email",
        "a@example.com",
        "--ttl",
        "60",
        cwd=tmp_path,
        BETTER_AUTH_SECRET=SECRET,
    )
    session = client_with_secret.get(
        "/api/v1/auth/session", headers={"Authorization": f"Bearer {made.stdout.strip()}"}
    )
    assert session.json() == {"user_id": "alice", "email": "a@example.com", "authenticated": True}


@pytest.fixture
def client_with_secret(tmp_path: Path, database: str) -> Iterator[httpx.Client]:
    """A running service that knows the tests' secret."""
    with running("serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET) as run:
        yield run.client


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "usage"),
        (("nope",), "nope"),
        (("migrate", "--rollback", "0"), "at least 1"),
        (("token",), "USER"),
    ],
)
def test_wrong_usage_is_status_2_and_a_hint(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    """Wrong words on the command line are exit status 2 and a hint."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def pasted(run: Running) -> tuple[str, dict[str, Any]]:
    """The first curl that `dev` prints, and the task that it makes."""
    line = next(line for line in run.lines if line.startswith("curl"))
    line = line.replace("http://127.0.0.1:0", str(run.client.base_url).rstrip("/"))
    made: dict[str, Any] = json.loads(subprocess.check_output(shlex.split(line), text=True))
    assert made["title"] == "Buy milk", made
    return line, made


def test_dev_sets_up_all_and_keeps_tasks_through_a_kill(tmp_path: Path) -> None:
    """`dev` sets up all it needs, prints a curl that works as it is, and keeps tasks through a
    SIGKILL.
    """
    with running("dev", cwd=tmp_path) as first:
        line, made = pasted(first)
        first.end(signal.SIGKILL)
    started = time.monotonic()
    with running("dev", cwd=tmp_path) as second:
        assert time.monotonic() - started < 30
        token = shlex.split(line)[4]
        read = second.client.get(TASKS, headers=dict([token.split(": ", 1)]))
        assert read.json()["items"] == [made]
        assert second.end(signal.SIGTERM) == 0
    assert (tmp_path / ".local" / "secret").stat().st_mode & 0o777 == 0o600


def test_dev_uses_a_given_database(tmp_path: Path, empty_database: str) -> None:
    """With DATABASE_URL set, `dev` starts no PostgreSQL of its own; it migrates the one that is
    given. Its curl works with an issuer and audiences, too.
    """
    checks = {"JWT_SECRET": SECRET, "JWT_ISSUER": "https://i.example", "JWT_AUDIENCE": "a,b"}
    with running("dev", cwd=tmp_path, DATABASE_URL=empty_database, **checks) as run:
        pasted(run)
    assert list((tmp_path / ".local").iterdir()) == []


def test_commands_run_with_closed_standard_streams(tmp_path: Path) -> None:
    """A command whose standard streams are closed runs, and nothing else gets their descriptors."""
    script = f"exec {sys.executable} -m service openapi 0<&- 2>&-"
    done = subprocess.run(
        ["sh", "-c", script], cwd=ROOT, env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["openapi"] == "3.1.0"


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_drains(tmp_path: Path, database: str, workers: int) -> None:
    """SIGHUP ends a service as SIGTERM does: drained, with status 0, all workers with it."""
    with running(
        "serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET, WORKERS=str(workers)
    ) as run:
        started(run, workers)
        assert run.end(signal.SIGHUP) == 0
    assert sum("startup complete" in line for line in run.lines) == workers
    assert sum("Finished server process" in line for line in run.lines) == workers


def test_workers_ignore_the_terminals_signals(tmp_path: Path, database: str) -> None:
    """What a terminal sends to its background leaves the workers as they are."""
    with running(
        "serve", cwd=tmp_path, DATABASE_URL=database, JWT_SECRET=SECRET, WORKERS="2"
    ) as run:
        started(run, 2)
        for number in (signal.SIGTTOU, signal.SIGTTIN):
            run.process.send_signal(number)
        time.sleep(1)  # the parent looks every half a second
        assert run.end(signal.SIGTERM) == 0
    assert not any("number of processes" in line for line in run.lines)
    assert sum("shutdown requested" in line for line in run.lines) == 2
