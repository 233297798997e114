"""Random statements: each that leaks when run is refused."""

import os
import sys

import asyncpg
import pytest

from tests.check.adversary import candidates, run
from tests.check.playground import playground_on

CANDIDATES = int(os.environ.get("ADVERSARY_CANDIDATES", "200"))
SEED = int(os.environ.get("ADVERSARY_SEED", "13"))


async def test_no_random_statement_that_leaks_passes(
    server_dsn: str, template: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No random statement that leaks when bob runs it passes the check."""
    with playground_on(server_dsn, template) as dsn:
        connection = await asyncpg.connect(dsn)
        async with connection.transaction():
            tried = await run(connection, list(candidates(CANDIDATES, SEED)))
        await connection.close()
    with capsys.disabled():
        sys.stdout.write(
            f"\nadversary, seed {SEED}: {tried.tried} statements tried, {len(tried.leaking)} leaking"
            f" when run, {len(tried.accepted)} of them accepted\n"
        )
    assert [(candidate.ddl, candidate.statement.source) for candidate in tried.accepted] == []
    assert len(tried.leaking) > tried.tried / 10, "the blocks no longer make leaks"
