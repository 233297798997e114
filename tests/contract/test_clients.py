"""Generated clients: they compile, and work with the running service."""

import os
import shutil
import subprocess
import sys
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


@pytest.mark.parametrize("client", TYPESCRIPT)
def test_a_generated_typescript_client_completes_its_round_trip(
    served: Served, tmp_path: Path, client: str
) -> None:
    """A TypeScript client is generated, a strict program compiles with it, and its round trip
    succeeds.
    """
    project = HERE / "typescript"
    installed(project, tmp_path)
    for path in project.glob(f"*{client}.*"):
        shutil.copy(path, tmp_path)
    (tmp_path / "contract.json").write_bytes(openapi())
    tools = tmp_path / "node_modules" / ".bin"
    generator, *arguments = TYPESCRIPT[client]
    run(tools / generator, *arguments, cwd=tmp_path)
    run(tools / "tsc", "--project", f"tsconfig.{client}.json", cwd=tmp_path)
    [program] = (tmp_path / "built").glob(f"{client}.*js")
    user = {"openapi-fetch": "tess", "hey-api": "heyda", "oazapfts": "ozzy"}[client]
    said = run("node", program, served.url, sign(SECRET, user, ttl=600), cwd=tmp_path)
    assert said == "round trip done\n"


def test_javas_http2_client_writes_over_plain_http(served: Served, tmp_path: Path) -> None:
    """Java's own client, which offers HTTP/2 with its first request, writes over plain HTTP."""
    assert shutil.which("java"), "Java is missing; on Debian: apt-get install default-jdk-headless"
    token = sign(SECRET, "java", ttl=600)
    said = run("java", HERE / "Client.java", served.url, token, cwd=tmp_path)
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
