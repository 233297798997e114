"""Ambiguous and oversized requests are refused, and the connection closed."""

import pytest

from service.server.framing import MAX_HEADERS
from tests.attacks.conftest import Target
from tests.attacks.framing import CHUNKED, GET, HOST, POST, REFUSED, SMUGGLED, get, post, target_of
from tests.attacks.judge import judged, request


@pytest.mark.parametrize("row", REFUSED)
def test_a_refused_request_gets_one_problem_and_ends_the_connection(
    target: Target, row: str
) -> None:
    """A refused request gets one problem, then the connection ends: the bytes behind it are never
    read as a request.
    """
    status, content = REFUSED[row]
    answer = judged(target, content)
    assert (answer.statuses, answer.closed) == ([status], True)
    head, _, body = answer.raw.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head
    assert b"\r\ncontent-type: application/problem+json" in head
    assert b'"status":%d' % status in body


H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")

LAST = target_of(b"/last", host=HOST + b"Connection: close\r\n")
"""A request whose answer, a 404, is the last of its connection."""

# The statuses, and the bytes: all that is sound is served, whatever it looks like.
SERVED: dict[str, tuple[list[int], bytes]] = {
    "plain": ([200], get()),
    "an absolute target": ([200], target_of(b"http://127.0.0.1/livez")),
    "an absolute target in capitals": (
        [200],
        target_of(b"HTTP://service.EXAMPLE/livez", host=b"Host: SERVICE.example\r\n"),
    ),
    "a port in the Host": ([200], GET + b"Host: 127.0.0.1:8000\r\n\r\n"),
    "empty lines before": ([200], b"\r\n\r\n" + get()),
    "two pipelined": ([200, 200], get() + get()),
    "a hundred pipelined": ([200] * 100, get() * 100),
    "h2c": (
        [200],
        get(*H2C),
    ),
    "h2c with bodies, another request behind each": (
        [401, 200, 401, 200, 200],
        post(*H2C, b"Content-Length: 2", body=b"{}")
        + get()
        + post(*H2C, b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n")
        + get(*H2C)
        + get(),
    ),
    "websocket": (
        [200],
        get(
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: AAAA",
        ),
    ),
    "a token of 8 KiB": (
        [401],
        request_line := b"GET /api/v1/auth/session HTTP/1.1\r\n"
        + HOST
        + b"Authorization: Bearer "
        + b"a" * 8192
        + b"\r\n\r\n",
    ),
    "as many headers as there may be": (
        [200],
        get(*[b"X-%d: a" % n for n in range(MAX_HEADERS - 1)]),
    ),
    "hop-by-hop names": (
        [401],
        request_line.replace(b"Bearer " + b"a" * 8192, b"\r\nConnection: Authorization, Host"),
    ),
    "overriding methods": (
        [200],
        get(b"X-HTTP-Method-Override: DELETE", b"X-Method-Override: DELETE"),
    ),
    "overriding paths": (
        [200],
        get(b"X-Original-URL: /api/v1/users/bob/tasks", b"X-Rewrite-URL: /api/v1/users/bob/tasks"),
    ),
    "another host by the side": (
        [200],
        get(
            b"X-Forwarded-Host: evil.example",
            b"X-Host: evil.example",
            b"Forwarded: host=evil.example",
        ),
    ),
    "TRACE": ([405], target_of(b"/livez", b"TRACE")),
    "a body with GET": (
        [200, 200],
        get(b"Content-Length: 5").replace(b"\r\n\r\n", b"\r\n\r\nhello") + get(),
    ),
    "another host": ([421], b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
    "another host's API": (
        [421],
        b"GET /api/v1/auth/session HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n",
    ),
    "a probe by another name": ([200], b"GET /livez HTTP/1.1\r\nHost: 10.1.2.3:8000\r\n\r\n"),
    "a smuggled request as a body": (
        [401],
        post(b"Content-Length: %d" % len(SMUGGLED), body=SMUGGLED),
    ),
}


@pytest.mark.parametrize("row", SERVED)
def test_served_requests_get_exactly_their_answers_in_order(target: Target, row: str) -> None:
    """The client gets exactly the answers that the framing calls for, in order."""
    statuses, content = SERVED[row]
    assert judged(target, content + LAST).statuses == [*statuses, 404]


# All of these end the connection after the first request's answer.
ENDED = {
    "HTTP/1.0": b"GET /livez HTTP/1.0\r\n\r\n" + get(),
    "a bad one behind": get() + b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "one behind its end": get(b"Connection: close") + SMUGGLED,
}


@pytest.mark.parametrize("row", ENDED)
def test_nothing_behind_the_last_request_is_answered(target: Target, row: str) -> None:
    """Where the framing ends the connection, what is behind gets no answer."""
    assert judged(target, ENDED[row]).statuses == [200]


CREATES: dict[str, tuple[int, list[bytes]]] = {
    "whole": (201, [b"Content-Length: 13\r\n\r\n", b'{"title":"a"}']),
    "in pieces": (
        201,
        [
            b"Content-",
            b"Length: 13\r",
            b"\n\r\n{",
            *(b'"title":"a"}'[n : n + 1] for n in range(12)),
        ],
    ),
    "chunked": (
        201,
        [b"Transfer-Encoding: chunked\r\n\r\n", b'd\r\n{"title":"a"}\r\n', b"0\r\n\r\n"],
    ),
    "chunked, a byte each": (
        201,
        [
            b"Transfer-Encoding: Chunked\r\n\r\n",
            *(b"1\r\n%c\r\n" % c for c in b'{"title":"a"}'),
            b"0\r\n\r\n",
        ],
    ),
    "chunked, with an extension": (
        201,
        [b"Transfer-Encoding: chunked\r\n\r\n", b'd;a=b\r\n{"title":"a"}\r\n0\r\n\r\n'],
    ),
    "after 100 Continue": (
        201,
        [b"Content-Length: 13\r\nExpect: 100-continue\r\n\r\n", b'{"title":"a"}'],
    ),
    "too large, by a little": (413, [b"Content-Length: 65600\r\n\r\n", b" " * 65600]),
    "too large, chunked": (
        413,
        [
            b"Transfer-Encoding: chunked\r\n\r\n",
            b"10000\r\n" + b" " * 65536 + b"\r\n",
            b"1\r\n \r\n0\r\n\r\n",
        ],
    ),
    "endless, chunked": (
        413,
        [b"Transfer-Encoding: chunked\r\n\r\n", *[b"8000\r\n" + b" " * 32768 + b"\r\n"] * 40],
    ),
    "broken in the middle": (
        400,
        [b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"tit\r\n', b"nonsense\r\n"],
    ),
    "compressed": (
        415,
        [b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n", b"\x1f\x8b\x08\x00"],
    ),
}


@pytest.mark.parametrize("row", CREATES)
def test_a_body_arrives_whole_and_bounded_however_it_is_cut(target: Target, row: str) -> None:
    """A body arrives whole however it is cut, and its size is limited as it arrives."""
    status, pieces = CREATES[row]
    answer = judged(
        target,
        POST + b"Connection: close\r\n",
        b"Authorization: Bearer " + target.tokens["alice"].encode() + b"\r\n",
        *pieces,
    )
    assert answer.statuses == [status]


@pytest.mark.parametrize(
    "behind",
    [
        b"NONSENSE\r\n\r\n",
        get(b"X: a\rb"),
        CHUNKED + b"nonsense\r\n",
        post(b"Content-Length: 9999999"),
        b"\x00",
    ],
)
def test_bad_bytes_behind_a_good_request_do_not_replace_its_answer(
    target: Target, behind: bytes
) -> None:
    """Bad bytes behind a good request do not replace its answer: the client gets that one, then the
    connection ends.
    """
    answer = judged(target, request(target) + behind)
    assert answer.statuses == [200]
    assert b'"items":' in answer.raw
