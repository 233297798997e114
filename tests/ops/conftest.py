"""Fixtures for logs and metrics."""

import json
from typing import Any

import pytest

from service.ops import logs
from tests.logged import LOGGED


class Recorder:
    """In the place of standard error."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.dropped = 0

    def put(self, line: bytes) -> None:
        self.lines.append(line)
        LOGGED.add(line.decode())

    put_soon = put

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The lines, where they are JSON."""
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """All lines that would go to standard error."""
    recorder = Recorder()
    monkeypatch.setattr(logs, "STDERR", recorder)
    return recorder
