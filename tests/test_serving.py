"""The server that runs the application."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SECRET
from tests.test_main import environment

BROKEN = """
from service import serving
from service.environment import read
from service.settings import Settings

serving.APPLICATION = "service.absent:application"
if __name__ == "__main__":
    serving.listen(read(Settings))
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_that_fails_is_no_success(tmp_path: Path, workers: str) -> None:
    """When the application cannot start, in this process or in its workers, the exit status says
    so: 0 is for an end in order.
    """
    (tmp_path / "broken.py").write_text(BROKEN)
    ended = subprocess.run(
        [sys.executable, "broken.py"],
        cwd=tmp_path,
        env=environment(
            DATABASE_URL="postgresql://localhost/tasks",
            JWT_SECRET=SECRET,
            PORT="0",
            WORKERS=workers,
        ),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode not in (0, -9)
