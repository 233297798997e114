"""Answers to what the application never sees: no sound HTTP, too large, too slow."""

import logging
from collections.abc import Callable, Sequence

from uuid_utils import uuid7

from ..web.exchange import Exchange, exchange, request_id
from ..web.problem import Problem, answer

log = logging.getLogger("service")

Headers = Sequence[tuple[bytes, bytes]]


def _none(_: bytes | None) -> Headers:
    return ()


class Refusals:
    """Problems as the bytes of whole answers, each of which is the last one on its connection."""

    def __init__(
        self, headers: Callable[[bytes | None], Headers] = _none, root_path: str = ""
    ) -> None:
        """`headers`: those of every answer to a page of that origin, None where none is known.
        `root_path`: the path below which clients see the service.
        """
        self._headers = headers
        self._root_path = root_path

    def answer(self, problem: Problem, origin: bytes | None) -> bytes:
        """The answer, with an id of its own, which the log has too."""
        token, current = request_id.set(str(uuid7())), Exchange("")
        current.prefix = self._root_path
        outer = exchange.set(current)
        try:
            log.info("refused: %s", problem)
            response = answer(problem)
            headers = [
                *response.raw_headers,
                *self._headers(origin),
                (b"x-request-id", request_id.get().encode()),
                (b"connection", b"close"),
            ]
        finally:
            exchange.reset(outer)
            request_id.reset(token)
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (
            problem.status,
            problem.title.encode(),
            lines,
            response.body,
        )
