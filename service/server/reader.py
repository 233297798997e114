"""Parse bytes into complete requests, with limits.

httptools parses strictly, but limits no sizes and accepts ambiguous header sections: this module
refuses those.
"""

from collections import deque
from urllib.parse import unquote

import httptools
from starlette.types import Scope

from ..web.problem import Problem
from ..web.problem_types import BadRequest, HeadTooLarge, TargetTooLong, TooLarge
from .framing import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES, check, size_of

CHUNKED_STEP = 1024
"""Bytes of a chunked body to parse at once: only the parser finds its end, and another request may
follow.
"""
OVERHEAD = 4096
"""Estimate of the bytes that a request takes in memory without its body."""


class Request:
    """A request, complete once its body is."""

    __slots__ = ("body", "expects", "keep_alive", "scope")

    def __init__(self, scope: Scope, *, keep_alive: bool, expects: bool) -> None:
        self.scope = scope
        self.body = bytearray()
        self.keep_alive = keep_alive
        """Whether the connection stays open for another request."""
        self.expects = expects
        """Whether the client waits for 100 (Continue) before it sends the body."""


class Reader:
    """Parses one client's bytes, up to the end of a request.

    So thousands of pipelined requests are bytes in memory, not objects.
    """

    def __init__(self, common: Scope) -> None:
        """`common`: the part of the scope that all requests of the connection share."""
        # Every key of a request's scope: a copy is filled, which costs half of making a dict.
        self._common = {
            **common,
            "http_version": "",
            "method": "",
            "path": "",
            "raw_path": b"",
            "query_string": b"",
            "headers": (),
        }
        self._parser = self._new_parser()
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        # Bytes of the piece that is parsed, and of the header section so far.
        self._step = self._head_bytes = 0
        self._body_left: int | None = None
        self.in_head = False
        """Whether a header section is incomplete."""
        self.incoming: Request | None = None
        """The request whose body is incomplete."""
        self.complete: deque[Request] = deque()
        """Requests to answer, in this order: one, or a few that were parsed at once."""
        self.ended = False
        """Whether the last of `complete` is the connection's last request."""

    @property
    def kept(self) -> int:
        """The number of bytes of requests in memory."""
        kept = len(self.complete) * OVERHEAD
        if self.incoming is not None:
            kept += OVERHEAD + len(self.incoming.body)
        return kept + self._head_bytes if self.in_head else kept

    @property
    def origin(self) -> bytes | None:
        """The newest request's Origin, if it was read already."""
        return next((value for name, value in self._headers if name == b"origin"), None)

    def feed(self, data: bytes) -> bytes:
        """Parse until a request is complete; return the rest of the data. Raises a Problem."""
        start, size = 0, len(data)
        while start < size and not self.ended:
            end = self._end_of_step(data, start)
            self._step = end - start
            if self.in_head:
                self._head_bytes += self._step
            try:
                end = start + self._parse(data if self._step == size else data[start:end])
            except httptools.HttpParserError as error:
                self.ended, self.in_head, self.incoming = True, False, None
                if isinstance(error.__context__, Problem):
                    raise error.__context__ from None
                raise BadRequest("The request is not sound HTTP") from None
            if self.in_head and self._head_bytes > MAX_TARGET_BYTES + MAX_HEAD_BYTES:
                self.ended, self.in_head = True, False
                raise TargetTooLong if len(self._url) > MAX_TARGET_BYTES else HeadTooLarge
            start = end
            if self.complete:
                break
        return data[start:]

    def close(self) -> None:
        """Drop the parser, which refers back to this."""
        del self._parser
        self.incoming = None
        self.complete.clear()

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # Later bytes are ignored after the last request: they must not affect its response.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _parse(self, data: bytes) -> int:
        """Return how many bytes were parsed: all, unless there is an Upgrade header, which a server
        may ignore (RFC 9110, section 7.8).

        The parser takes all that follows for another protocol. So the header section is parsed
        again without Upgrade, and then its body.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            scope = self.complete.pop().scope
            lines = [b"%b: %b\r\n" % line for line in scope["headers"] if line[0] != b"upgrade"]
            start = f"{scope['method']} {self._url.decode()} HTTP/{scope['http_version']}\r\n"
            self._parser = self._new_parser()
            self._parser.feed_data(b"%b%b\r\n" % (start.encode(), b"".join(lines)))
            read: int = offer.args[0]
            return read
        return len(data)

    def _end_of_step(self, data: bytes, start: int) -> int:
        """Return how far to parse at once: to the end of this request, or not far beyond."""
        if self.incoming is None:
            found = data.find(b"\r\n\r\n", start)
            end = len(data) if found < 0 else found + 4
            return min(end, start + MAX_TARGET_BYTES + MAX_HEAD_BYTES + 1)
        step = CHUNKED_STEP if self._body_left is None else self._body_left
        return min(len(data), start + step)

    # The parser's callbacks. feed_data wraps their exceptions.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url, self._headers = b"", []
        self.in_head, self._head_bytes = True, self._step

    def on_url(self, url: bytes) -> None:
        """Add a piece of the target."""
        if len(self._url) <= MAX_TARGET_BYTES:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. Raises BadRequest for a trailer."""
        if not self.in_head:
            # Some recipients merge them into the headers, others ignore them.
            raise BadRequest("Trailers are not accepted")
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the complete header section."""
        # No sooner: a browser shows a refusal to its page only if the response names the Origin,
        # which may come last.
        if len(self._url) > MAX_TARGET_BYTES:
            raise TargetTooLong
        if len(self._headers) > MAX_HEADERS:
            raise HeadTooLarge
        # Few requests were so large that their headers must be counted.
        if self._head_bytes > MAX_HEAD_BYTES and size_of(self._headers) > MAX_HEAD_BYTES:
            raise HeadTooLarge
        parser = self._parser
        method, version = parser.get_method(), parser.get_http_version()
        given = check(method, self._url, version, self._headers)
        url = httptools.parse_url(self._url)
        path = url.path.decode("ascii")
        scope = self._common.copy()
        scope["http_version"] = version
        scope["method"] = method.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        scope["headers"] = self._headers
        self.incoming = Request(
            scope,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            expects=b"expect" in given and version != "1.0",
        )
        self.in_head = False
        chunked = b"transfer-encoding" in given
        self._body_left = None if chunked else int(given.get(b"content-length", 0))

    def on_body(self, body: bytes) -> None:
        """Add a piece of the body."""
        assert self.incoming is not None
        self.incoming.body += body
        if len(self.incoming.body) > MAX_BODY_BYTES:
            raise TooLarge
        if self._body_left is not None:
            self._body_left -= len(body)

    def on_message_complete(self) -> None:
        """Finish the request."""
        assert self.incoming is not None
        self.complete.append(self.incoming)
        self.incoming = None
