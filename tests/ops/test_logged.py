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
def test_what_must_not_be_logged_is_found(line: str) -> None:
    """A token, a piece of one, a secret, a body and a claim are found in a line."""
    logged = Logged()
    logged.add(f'{{"message": "before {line} after"}}')
    assert len(logged.revealing) == 1


def test_records_with_their_traceback_are_searched() -> None:
    """A secret in the text of an exception that is logged is found, too."""
    logged = Logged()
    try:
        raise ValueError(TOKEN)
    except ValueError:
        record = logging.getLogger("service").makeRecord(
            "service", logging.ERROR, "", 1, "fault", (), sys.exc_info()
        )
    logged.handler.emit(record)
    assert len(logged.revealing) == 1


async def test_requests_of_the_tests_are_searched(alice: User) -> None:
    """What the application logs of a request in a test comes by."""
    before = LOGGED.lines
    await alice.tasks()
    assert LOGGED.lines == before + 1
    assert LOGGED.revealing == []
