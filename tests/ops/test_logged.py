"""The search through all logs of the test run finds secrets."""

import logging
import sys

import pytest

from service.auth.tokens import sign
from tests.conftest import SECRET, User
from tests.logged import LOGGED, Logged

TOKEN = sign(SECRET, "alice", ttl=60)


@pytest.mark.parametrize(
    "line",
    [
        f"Bearer {TOKEN}",
        TOKEN[:60],
        SECRET,
        '{"title": "Buy milk"}',
        "mail: alice@example.com",
        "hunter2",
        "postgresql://service:x@db/tasks",
    ],
)
def test_secrets_in_a_log_line_are_found(line: str) -> None:
    """A token, a piece of one, a secret, a body and a claim are found in a line."""
    logged = Logged()
    logged.add(f'{{"message": "before {line} after"}}')
    assert len(logged.revealing) == 1


def test_tracebacks_are_searched_for_secrets() -> None:
    """A secret in the text of a logged exception is found, too."""
    logged = Logged()
    try:
        raise ValueError(TOKEN)
    except ValueError:
        record = logging.getLogger("service").makeRecord(
            "service", logging.ERROR, "", 1, "fault", (), sys.exc_info()
        )
    logged.handler.emit(record)
    assert len(logged.revealing) == 1


async def test_log_lines_of_test_requests_are_searched(alice: User) -> None:
    """What the application logs of a request in a test is searched."""
    before = LOGGED.lines
    await alice.tasks()
    assert LOGGED.lines == before + 1
    assert LOGGED.revealing == []
