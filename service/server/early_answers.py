"""Responses to requests that never reach the application: malformed, too large, too slow."""

import logging
import math
from collections.abc import Callable, Sequence

from starlette.requests import empty_receive

from ..db.deadline import current
from ..web.exchange import Exchange
from ..web.problem import Problem, answer

log = logging.getLogger("service")

Headers = Sequence[tuple[bytes, bytes]]


def _none(_: bytes | None) -> Headers:
    return ()


class Refusals:
    """Renders problems as complete responses, each the last one on its connection."""

    def __init__(
        self, headers: Callable[[bytes | None], Headers] = _none, root_path: str = ""
    ) -> None:
        """`headers`: the headers of every response for a page of that origin, None if unknown.
        `root_path`: the path prefix for clients.
        """
        self._headers = headers
        self._root_path = root_path

    def answer(self, problem: Problem, origin: bytes | None) -> bytes:
        """Return the response, with an id of its own, which the log has too."""
        exchange = Exchange({"type": "http", "headers": []}, empty_receive, math.inf)
        exchange.prefix = self._root_path
        token = current.set(exchange)
        try:
            log.info("refused: %s", problem)
            response = answer(problem)
        finally:
            current.reset(token)
        headers = [
            *response.raw_headers,
            *self._headers(origin),
            *exchange.answer_headers,
            (b"connection", b"close"),
        ]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (
            problem.status,
            problem.title.encode(),
            lines,
            response.body,
        )
