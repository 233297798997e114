"""Generated clients: they compile, and work with the running service."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.app import openapi
from service.auth.tokens import sign
from tests.conftest import SECRET
from tests.contract.conftest import Served
from tests.npm import installed

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


def run(*argv: str | Path, cwd: Path, **variables: str) -> str:
    """The output of a command, which must succeed."""
    environment = {**os.environ, **variables}
    done = subprocess.run(
        argv,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_generated_python_client_completes_its_round_trip(served: Served, tmp_path: Path) -> None:
    """A Python client is generated without a warning, and its round trip succeeds."""
    (tmp_path / "contract.json").write_bytes(openapi())
    output = tmp_path / "tasks_client"
    generate = (
        "generate",
        "--path",
        "contract.json",
        "--meta",
        "none",
        "--output-path",
        output,
        "--fail-on-warning",
    )
    run(
        BIN / "openapi-python-client",
        *generate,
        cwd=tmp_path,
        PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
    )
    token = sign(SECRET, "percy", ttl=600)
    said = run(
        sys.executable,
        HERE / "client.py",
        served.url,
        token,
        cwd=tmp_path,
        PYTHONPATH=str(tmp_path),
    )
    assert said == "round trip done\n"


# What makes each client, with its defaults.
TYPESCRIPT = {
    "openapi-fetch": ("openapi-typescript", "contract.json", "-o", "contract.ts"),
    "hey-api": ("openapi-ts", "-i", "contract.json", "-o", "hey-api-client"),
    "oazapfts": ("oazapfts", "contract.json", "oazapfts-client.ts"),
}


USERS = {"openapi-fetch": "tess", "hey-api": "heyda", "oazapfts": "ozzy"}


@dataclass(frozen=True)
class Compiled:
    """A folder for each TypeScript client, and what the generators and the compiler complained
    of.
    """

    folder: Path
    complaints: str


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """All clients are compiled in one run, which reads the libraries once."""
    folder = tmp_path_factory.mktemp("typescript")
    project = HERE / "typescript"
    installed(project, folder)
    tools = folder / "node_modules" / ".bin"
    complaints = []
    for client, (generator, *arguments) in TYPESCRIPT.items():
        own = folder / client
        own.mkdir()
        for path in project.glob(f"*{client}.*"):
            shutil.copy(path, own)
        (own / "contract.json").write_bytes(openapi())
        made = subprocess.run(
            [tools / generator, *arguments], cwd=own, capture_output=True, text=True, check=False
        )
        if made.returncode:
            complaints.append(f"{client}/: {made.stdout}{made.stderr}")
    projects = [f"{client}/tsconfig.{client}.json" for client in TYPESCRIPT]
    built = subprocess.run(
        ["node", "--no-opt", tools / "tsc", "--build", *projects],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return Compiled(folder, "\n".join([*complaints, built.stdout]))


@pytest.mark.parametrize("client", TYPESCRIPT)
def test_a_generated_typescript_client_completes_its_round_trip(
    served: Served, compiled: Compiled, client: str
) -> None:
    """A TypeScript client is generated, a strict program compiles with it, and its round trip
    succeeds.
    """
    assert f"{client}/" not in compiled.complaints, compiled.complaints
    own = compiled.folder / client
    [program] = (own / "built").glob(f"{client}.*js")
    said = run("node", program, served.url, sign(SECRET, USERS[client], ttl=600), cwd=own)
    assert said == "round trip done\n"


def test_javas_http2_client_writes_over_plain_http(served: Served, tmp_path: Path) -> None:
    """Java's own client, which offers HTTP/2 with its first request, writes over plain HTTP."""
    assert shutil.which("java"), "Java is missing; on Debian: apt-get install default-jdk-headless"
    token = sign(SECRET, "java", ttl=600)
    said = run(
        "java", "-XX:TieredStopAtLevel=1", HERE / "Client.java", served.url, token, cwd=tmp_path
    )
    assert said == "round trip done\n"


def test_curls_offer_of_http2_is_answered_as_http1(served: Served, tmp_path: Path) -> None:
    """`curl --http2` gets its answer as HTTP/1.1, and the connection is kept for the next
    request.
    """
    url = f"{served.url}/api/v1/users/curly/tasks"
    headers = (
        f"Authorization: Bearer {sign(SECRET, 'curly', ttl=600)}",
        "Content-Type: application/json",
    )
    one = ("-H", headers[0], "-H", headers[1], "--data", '{"title": "Buy milk"}', url)
    shown = (
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_version} %{response_code} %{num_connects}\n",
    )
    said = run(
        "curl", "-s", "--http2", *shown, *one, "--next", "-s", "--http2", *shown, *one, cwd=tmp_path
    )
    assert said == "1.1 201 1\n1.1 201 0\n"
