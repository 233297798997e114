"""Random statements: each that leaks when run is refused."""

import os
import sys

import asyncpg
import pytest

from tests.check.adversary import candidates, run

CANDIDATES = int(os.environ.get("ADVERSARY_CANDIDATES", "200"))
SEED = int(os.environ.get("ADVERSARY_SEED", "13"))


async def test_no_random_statement_that_leaks_passes(
    session: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """No random statement that leaks when bob runs it passes the check."""
    tried = await run(session, list(candidates(CANDIDATES, SEED)))
    with capsys.disabled():
        sys.stdout.write(
            f"\nadversary, seed {SEED}: {tried.tried} statements tried, {len(tried.leaking)} leaking"
            f" when run, {len(tried.accepted)} of them accepted\n"
        )
    assert [(candidate.ddl, candidate.statement.source) for candidate in tried.accepted] == []
    assert len(tried.leaking) > tried.tried / 10, "the blocks no longer make leaks"
