"""All logs of the test run, searched for secrets."""

import logging
import re

from service.ops.logs import JsonLines

MARKS = (
    r"eyJ[\w-]+\.[\w-]+",  # a token, whole or cut off
    "a secret for tests",
    r"://[^\s/:@]+:[^\s/@]+@",  # a URL with a password
    "hunter2",  # every password that a test makes up
    "Buy milk",  # the title of nearly every task
    "a secret title",
    "a secret text",
    "for nobody else",
    r"[\w.]+@example\.com",  # a claim
)


class Logged:
    """Return the number of lines, and the lines with secrets."""

    def __init__(self) -> None:
        self.lines = 0
        self.revealing: list[str] = []
        self.handler = _Handler(self)
        self._marks = re.compile("|".join(MARKS))

    def add(self, line: str) -> None:
        """Search a line."""
        self.lines += 1
        if self._marks.search(line):
            self.revealing.append(line)


class _Handler(logging.Handler):
    """For what goes through `logging` in the tests' own process."""

    def __init__(self, logged: Logged) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self._logged = logged

    def emit(self, record: logging.LogRecord) -> None:
        self._logged.add(self.format(record))


LOGGED = Logged()
