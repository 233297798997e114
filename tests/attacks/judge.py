"""Conditions that every row of the attack tables must meet."""

import os
from typing import Any, NamedTuple

from tests.attacks.conftest import BOB_TITLE, Answer, Target

SESSION = "/api/v1/auth/session"
LONGEST = 0.5
"""Seconds of the process's CPU that a row may take: no work worth mentioning."""
LARGEST = 24 * 2**20
"""Bytes by which a row may make the process grow."""


class Measured(NamedTuple):
    """What a row took: seconds of CPU, and bytes by which the process grew."""

    row: str
    seconds: float
    grown: int


MEASURED: list[Measured] = []
"""All rows so far, for `make attacks` to print the worst of."""


def judged(target: Target, *pieces: bytes) -> Answer:
    """The answer to these bytes, which end the connection. It held what every answer must."""
    before, started = target.resident(), target.worked()
    answer = target.send(*pieces)
    took, grown = target.worked() - started, target.resident() - before
    MEASURED.append(Measured(os.environ["PYTEST_CURRENT_TEST"].partition(" (")[0], took, grown))
    assert answer.closed, answer.raw
    assert took < LONGEST, f"{took:.2f} s"
    assert grown < LARGEST, f"{grown} bytes"
    assert all(status < 500 for status in answer.statuses), answer.raw
    assert BOB_TITLE.encode() not in answer.raw
    return answer


def request(
    target: Target,
    method: str = "GET",
    path: str = "/api/v1/users/alice/tasks",
    *,
    token: str | bytes | None = None,
    headers: bytes = b"",
    body: bytes = b"",
    last: bool = False,
) -> bytes:
    """A request as bytes: alice's, unless another token is given, b"" for none. The last one of its
    connection says so.
    """
    credentials = target.tokens["alice"] if token is None else token
    encoded = credentials.encode() if isinstance(credentials, str) else credentials
    lines = [f"{method} {path} HTTP/1.1".encode("latin-1"), b"Host: 127.0.0.1"]
    lines += [b"Authorization: Bearer " + encoded] if encoded else []
    lines += [b"Content-Length: %d" % len(body), b"Content-Type: application/json"] if body else []
    lines += headers.split(b"\n") if headers else []
    lines += [b"Connection: close"] if last else []
    return b"\r\n".join([*lines, b"", body])


def answered(target: Target, *arguments: Any, behind: bytes = b"", **options: Any) -> Answer:
    """The answer to one request, which is the last of its connection: its end is the answer's, and
    nothing needs to be waited for. Arguments and options are those of `request`.
    """
    return judged(target, request(target, *arguments, last=True, **options) + behind)
