"""Bytes off a socket to whole requests: what is bounded and refused before a request exists.

httptools reads requests strictly, but bounds no sizes and takes ambiguous heads. Here are the
bounds and the refusals.
"""

from collections import deque
from urllib.parse import unquote

import httptools
from starlette.types import Scope

from ..web.problem import Problem
from ..web.problem_types import BadRequest, HeadTooLarge, TargetTooLong, TooLarge
from .framing import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES, check

CHUNKED_STEP = 1024
"""Bytes of a chunked body that are parsed at once. Where it ends is known only afterwards, and what
comes behind it is another request.
"""
OVERHEAD = 4096
"""Bytes that a request takes in memory beside its body, at most some."""


class Request:
    """A request as it was sent, whole once its body is complete."""

    __slots__ = ("body", "expects", "keep_alive", "scope")

    def __init__(self, scope: Scope, *, keep_alive: bool, expects: bool) -> None:
        self.scope = scope
        self.body = bytearray()
        self.keep_alive = keep_alive
        """Whether the client may send another one on this connection."""
        self.expects = expects
        """Whether the client waits for 100 Continue before it sends the body."""


class Reader:
    """Parses what one client sends, no further than to the end of a request.

    So a client that sends thousands of small requests at once has bytes in memory, not requests.
    """

    def __init__(self, common: Scope) -> None:
        """`common`: what all requests of the connection have in their scopes."""
        self._common = common
        self._parser = self._new_parser()
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._body_left: int | None = None
        self.in_head = False
        """Whether a head has begun that is not complete."""
        self.incoming: Request | None = None
        """The request whose head is complete and whose body is not."""
        self.whole: deque[Request] = deque()
        """Requests to be answered, in this order: one, or a few that could not be told apart."""
        self.ended = False
        """Whether the last of `whole` is the last one for good."""

    @property
    def kept(self) -> int:
        """How many bytes there are in memory of requests."""
        kept = len(self.whole) * OVERHEAD
        if self.incoming is not None:
            kept += OVERHEAD + len(self.incoming.body)
        return kept + self._head_bytes if self.in_head else kept

    @property
    def origin(self) -> bytes | None:
        """The Origin of the newest head, as far as that was read."""
        return next((value for name, value in self._headers if name == b"origin"), None)

    def feed(self, data: bytes) -> bytes:
        """Parse until a request is whole; the data behind it. Raises the Problem that is found."""
        start, size = 0, len(data)
        while start < size and not self.ended:
            end = self._end_of_step(data, start)
            try:
                end = start + self._parse(data if end - start == size else data[start:end])
            except httptools.HttpParserError as error:
                self.ended, self.in_head, self.incoming = True, False, None
                if isinstance(error.__context__, Problem):
                    raise error.__context__ from None
                raise BadRequest("The request is not sound HTTP") from None
            if self.in_head:
                self._head_bytes += end - start
                if self._head_bytes > MAX_TARGET_BYTES + MAX_HEAD_BYTES:
                    self.ended, self.in_head = True, False
                    raise self._too_long() or HeadTooLarge()
            start = end
            if self.whole:
                break
        return data[start:]

    def close(self) -> None:
        """Let go of the parser, which refers to this."""
        del self._parser
        self.incoming = None
        self.whole.clear()

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # After the last request nothing more is read; what comes then must not spoil its answer.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _parse(self, data: bytes) -> int:
        """How many of the bytes were read: all, unless there is an offer to upgrade, which may be
        ignored (RFC 9110, section 7.8).

        The parser takes all behind such a head for another protocol. So the head is read anew
        without the offer, and its body then, if there is one.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            scope = self.whole.pop().scope
            lines = [b"%b: %b\r\n" % line for line in scope["headers"] if line[0] != b"upgrade"]
            start = f"{scope['method']} {self._url.decode()} HTTP/{scope['http_version']}\r\n"
            self._parser = self._new_parser()
            self._parser.feed_data(b"%b%b\r\n" % (start.encode(), b"".join(lines)))
            read: int = offer.args[0]
            return read
        return len(data)

    def _too_long(self) -> TargetTooLong | None:
        return TargetTooLong() if len(self._url) > MAX_TARGET_BYTES else None

    def _end_of_step(self, data: bytes, start: int) -> int:
        """How far to parse at once: to the end of this request, or not far beyond it."""
        if self.incoming is None:
            found = data.find(b"\r\n\r\n", start)
            end = len(data) if found < 0 else found + 4
            return min(end, start + MAX_TARGET_BYTES + MAX_HEAD_BYTES + 1)
        step = CHUNKED_STEP if self._body_left is None else self._body_left
        return min(len(data), start + step)

    # The parser's callbacks. What they raise comes out of feed_data, wrapped.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._headers = b"", []
        self.in_head, self._head_bytes = True, 0

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        if not self._too_long():
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header, or a trailer."""
        if not self.in_head:
            # Some would read them as headers, and others not at all.
            raise BadRequest("Trailers are not accepted")
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        # No sooner: a browser shows a refusal to its page only when the answer names the Origin,
        # which may come last.
        if fault := self._too_long():
            raise fault
        if len(self._headers) > MAX_HEADERS:
            raise HeadTooLarge
        parser = self._parser
        method, version = parser.get_method(), parser.get_http_version()
        given = check(method, self._url, version, self._headers)
        url = httptools.parse_url(self._url)
        path = url.path.decode("ascii")
        scope = {
            **self._common,
            "http_version": version,
            "method": method.decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": self._headers,
        }
        self.incoming = Request(
            scope,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            expects=b"expect" in given and version != "1.0",
        )
        self.in_head = False
        chunked = b"transfer-encoding" in given
        self._body_left = None if chunked else int(given.get(b"content-length", 0))

    def on_body(self, body: bytes) -> None:
        """A piece of the body, whatever its framing."""
        assert self.incoming is not None
        self.incoming.body += body
        if len(self.incoming.body) > MAX_BODY_BYTES:
            raise TooLarge
        if self._body_left is not None:
            self._body_left -= len(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        assert self.incoming is not None
        self.whole.append(self.incoming)
        self.incoming = None
