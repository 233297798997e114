"""Requests parsed from a client's bytes, and the number of steps."""

from collections.abc import Callable

import pytest

from service.server.framing import MAX_BODY_BYTES
from service.server.reader import CHUNKED_STEP, Reader
from service.web.problem import Problem
from tests.counting import calls

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(length: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length


def whole(reader: Reader, data: bytes) -> list[bytes]:
    """The bodies of all requests in the data, each taken before the next one is read."""
    found = []
    while data:
        data = reader.feed(data)
        found += [bytes(request.body) for request in reader.complete]
        reader.complete.clear()
    return found


@pytest.mark.parametrize("behind", [GET, post(3) + b"abc", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"])
@pytest.mark.parametrize("first", [GET, post(3) + b"abc", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"])
def test_pipelined_requests_are_parsed_one_at_a_time(first: bytes, behind: bytes) -> None:
    """Of many requests that come at once only the first is made: the others stay bytes, but for
    what stands in the step in which a chunked body ends.
    """
    reader = Reader({})
    rest = reader.feed(first + behind * 5000)
    assert 1 <= len(reader.complete) <= CHUNKED_STEP // len(GET) + 1
    if b"chunked" not in first:
        assert (len(reader.complete), rest) == (1, behind * 5000)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 10_000])
def test_any_cut_of_the_bytes_gives_the_same_requests(size: int) -> None:
    """However the bytes are cut, they are the same requests."""
    data = (GET + post(5) + b"ab\r\n\r" + CHUNKED + b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n" + GET) * 3
    reader = Reader({})
    found = [
        body
        for start in range(0, len(data), size)
        for body in whole(reader, data[start : start + size])
    ]
    assert found == [b"", b"ab\r\n\r", b"abcd", b""] * 3


@pytest.mark.parametrize(
    "body",
    [
        lambda size: post(size) + b"a" * size,
        lambda size: post(size) + b"\r\n" * (size // 2),
        lambda size: CHUNKED + b"1\r\na\r\n" * (size // 6) + b"0\r\n\r\n",
        lambda size: CHUNKED + b"%x\r\n" % size + b"\r\n" * (size // 2) + b"\r\n0\r\n\r\n",
        lambda size: GET * (size // len(GET)),
        lambda size: b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (size // 40) + b"\r\n\r\n",
    ],
)
def test_steps_grow_linearly_with_the_bytes(body: Callable[[int], bytes]) -> None:
    """Ten times as many bytes take ten times as many steps at most, whatever they are."""
    few, many = body(20_000), body(200_000)
    assert calls(lambda: whole(Reader({}), many)) <= 12 * calls(lambda: whole(Reader({}), few))


def test_a_body_in_small_pieces_is_not_copied_again_and_again() -> None:
    """A body that comes byte by byte is kept in one buffer, which grows."""
    reader = Reader({})
    reader.feed(post(MAX_BODY_BYTES))
    assert reader.incoming is not None
    buffer = reader.incoming.body
    for _ in range(1000):
        reader.feed(b"a")
    assert reader.incoming.body is buffer
    assert len(buffer) == 1000


@pytest.mark.parametrize("data", [GET[:-2] + b"X: " + b"a" * 50_000, b"GET /" + b"a" * 50_000])
def test_an_endless_head_is_refused(data: bytes) -> None:
    """A head that does not end is refused once it is larger than any may be."""
    with pytest.raises(Problem) as refused:
        Reader({}).feed(data)
    assert refused.value.status in {414, 431}


def test_buffered_bytes_are_counted() -> None:
    """What has come of requests that are not whole is counted."""
    reader = Reader({})
    reader.feed(GET[:-2])
    assert reader.kept == len(GET) - 2
    reader = Reader({})
    reader.feed(post(100_000) + b"a" * 60_000)
    assert 60_000 < reader.kept < 70_000
