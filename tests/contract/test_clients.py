"""Clients that generators make of the contract: they compile, and work against the running
service.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

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


def test_python(served: Served, tmp_path: Path) -> None:
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


def test_typescript(served: Served, tmp_path: Path) -> None:
    """TypeScript's types are generated, a strict program compiles with them, and its round trip
    succeeds.
    """
    installed(HERE / "typescript", tmp_path)
    for name in ("tsconfig.json", "client.ts"):
        shutil.copy(HERE / "typescript" / name, tmp_path)
    (tmp_path / "contract.json").write_bytes(openapi())
    tools = tmp_path / "node_modules" / ".bin"
    run(
        tools / "openapi-typescript",
        "contract.json",
        "-o",
        "contract.ts",
        "--default-non-nullable",
        "false",
        cwd=tmp_path,
    )
    run(tools / "tsc", cwd=tmp_path)
    said = run("node", "built/client.js", served.url, sign(SECRET, "tess", ttl=600), cwd=tmp_path)
    assert said == "round trip done\n"
