"""The served contract under a fuzzer: all of Schemathesis's phases and checks, with a fixed
seed.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from service.auth.tokens import sign
from tests.conftest import SECRET
from tests.contract.conftest import Served

HERE = Path(__file__).parent
CASES = os.environ.get("FUZZ_CASES", "20")
"""How many cases an operation gets in each of the phases that make some up. `make fuzz` asks for
more.
"""


def test_random_requests_get_answers_that_the_contract_has(served: Served, tmp_path: Path) -> None:
    """Whatever is sent, well formed or not, alone or in sequence, the answer is one that the
    contract has, and never 5xx.
    """
    headers = {"Authorization": f"Bearer {sign(SECRET, 'alice', ttl=7200)}"}
    path = "/api/v1/users/alice/tasks"
    for number in range(3):
        assert (
            served.run.client.post(
                path, headers=headers, json={"title": f"task {number}"}
            ).status_code
            == 201
        )
    cursors = [
        served.run.client.get(f"{path}?limit={limit}", headers=headers).json()["next"]
        for limit in (1, 2)
    ]
    feed = "/api/v1/users/alice/changes"
    positions = [
        served.run.client.get(f"{feed}?limit={limit}", headers=headers).json()["next"]
        for limit in (1, 2)
    ]
    for number in range(3):
        task = served.run.client.post(path, headers=headers, json={"title": f"old {number}"}).json()
        served.run.client.delete(f"{path}/{task['id']}", headers=headers)
    trashed = [
        served.run.client.get(f"/api/v1/users/alice/trash?limit={limit}", headers=headers).json()[
            "next"
        ]
        for limit in (1, 2)
    ]
    # All there is: each request looks for proxies through every variable.
    environment = {
        "TOKEN": sign(SECRET, "alice", ttl=7200, email="alice@example.com"),
        "CURSORS": ",".join(map(str, cursors)),
        "POSITIONS": ",".join(positions),
        "TRASHED": ",".join(trashed),
        "SCHEMATHESIS_HOOKS": "tests.contract.hooks",
        # Where Hypothesis keeps its tables of characters, which take it seconds to make.
        "HYPOTHESIS_STORAGE_DIRECTORY": str(HERE.parents[1] / ".hypothesis"),
        "PYTHONPATH": str(HERE.parents[1]),
    }
    tool = Path(sys.executable).with_name("st")
    command = [
        tool,
        "--config-file",
        HERE / "schemathesis.toml",
        "run",
        f"{served.url}/openapi.json",
        "--max-examples",
        CASES,
    ]
    done = subprocess.run(
        [*map(str, command)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)  # noqa: T201 - the number of cases, for who looks with -s
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert found is not None, done.stdout
    assert found[1] == found[2]
    assert int(found[1]) > 500
