"""A request and its response: the bytes in the socket, and the number of writes."""

import asyncio
from typing import Any

import pytest

from service.server.cycle import JOINED, Body, Cycle
from service.server.reader import Request
from service.web.problem import Problem


class Wire:
    """A connection that records its writes and its end."""

    default_headers = ((b"date", b"today"),)

    def __init__(self) -> None:
        self.writes: list[list[bytes]] = []
        self.kept: list[int] = []
        self.unread = self.disconnected = False
        self.taken = asyncio.Event()
        self.last: bool | None = None

    def write(self, pieces: list[Body], kept: int) -> None:
        self.writes.append([bytes(piece) for piece in pieces])
        self.kept.append(kept)

    def refusal(self, problem: Problem) -> bytes:
        return f"HTTP/1.1 {problem.status}".encode()

    def answered(self, *, last: bool) -> None:
        self.last = last

    async def writable(self) -> None:
        await self.taken.wait()

    @property
    def sent(self) -> bytes:
        return b"".join(piece for pieces in self.writes for piece in pieces)


def cycle_of(wire: Wire, **request: Any) -> Cycle:
    """A request over that connection."""
    scope = {"type": "http", "method": "GET", "http_version": "1.1"}
    keep_alive = request.pop("keep_alive", True)
    return Cycle(
        wire,  # type: ignore[arg-type]
        Request({**scope, **request}, keep_alive=keep_alive, expects=False),
    )


async def answer(
    wire: Wire, *headers: tuple[bytes, bytes], body: Body = b"hello", **request: Any
) -> None:
    """An application's answer to that request."""
    cycle = cycle_of(wire, **request)
    await cycle.send({"type": "http.response.start", "status": 200, "headers": headers})
    assert not wire.writes
    await cycle.send({"type": "http.response.body", "body": body})
    assert cycle.complete or wire.disconnected


async def test_head_and_body_are_one_write() -> None:
    """The head waits for the body, and both go out together."""
    wire = Wire()
    await answer(wire, (b"content-length", b"5"))
    assert wire.writes == [[b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 5\r\n\r\nhello"]]
    assert (wire.kept, wire.last) == ([5], False)


async def test_head_and_body_may_be_one_message() -> None:
    """A head with a body is a complete response, the same as in two messages."""
    one, two = Wire(), Wire()
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
    await cycle_of(one).send({**head, "body": b"hello"})
    await answer(two, (b"content-length", b"5"))
    assert (one.writes, one.kept, one.last) == (two.writes, two.kept, two.last)


async def test_a_large_body_is_not_copied() -> None:
    """A large body is sent without a copy, behind its head, and counts as buffered for
    that client.
    """
    wire, body = Wire(), b"a" * (JOINED + 1)
    await answer(wire, body=body)
    assert (len(wire.writes), wire.writes[0][1], wire.kept) == (1, body, [len(body)])


async def test_a_shared_body_counts_for_no_client() -> None:
    """A body that is a view of bytes that stay in memory anyway counts for no client."""
    wire = Wire()
    await answer(wire, body=memoryview(b"a" * (JOINED + 1)))
    assert wire.kept == [0]


async def test_the_last_answer_has_connection_close_and_closes() -> None:
    """Where the connection is not kept, the answer tells, and the connection ends with it."""
    wire = Wire()
    await answer(wire, keep_alive=False)
    assert b"\r\nconnection: close\r\n\r\nhello" in wire.sent
    assert wire.last


async def test_head_has_no_body() -> None:
    """The answer to HEAD ends after its header section."""
    wire = Wire()
    await answer(wire, method="HEAD")
    assert wire.sent.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\x00b", b"\x7f"])
async def test_a_header_value_with_a_line_end_is_not_sent(value: bytes) -> None:
    """A value that would begin another header, or be cut short, is not sent at all."""
    wire = Wire()
    with pytest.raises(RuntimeError, match="would end it"):
        await answer(wire, (b"location", value))
    assert not wire.writes


async def streamed(wire: Wire, *headers: tuple[bytes, bytes], **request: Any) -> Cycle:
    cycle = cycle_of(wire, **request)
    await cycle.send({"type": "http.response.start", "status": 200, "headers": headers})
    await cycle.send({"type": "http.response.body", "body": b"one", "more_body": True})
    await cycle.send({"type": "http.response.body", "body": b"", "more_body": True})
    await cycle.send({"type": "http.response.body", "body": b"three"})
    return cycle


async def test_a_streamed_body_is_chunked() -> None:
    """A body in pieces is sent in chunks, with an end marker (RFC 9112, section 7.1)."""
    wire = Wire()
    await streamed(wire)
    assert wire.sent.endswith(
        b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"
    )
    assert wire.last is False


async def test_a_streamed_body_with_a_length_is_not_chunked() -> None:
    """Pieces of a body whose length was said go out as they are."""
    wire = Wire()
    await streamed(wire, (b"content-length", b"8"))
    assert wire.sent.endswith(b"content-length: 8\r\n\r\nonethree")


async def test_http_1_0_gets_no_chunks() -> None:
    """To HTTP/1.0 the end of a body in pieces is the end of the connection."""
    wire = Wire()
    await streamed(wire, http_version="1.0")
    assert wire.sent.endswith(b"connection: close\r\n\r\nonethree")
    assert wire.last


async def test_one_unread_chunk_is_buffered_at_most() -> None:
    """While a client has not taken a piece, the next one is not written: one is kept, not all."""
    wire = Wire()
    cycle = cycle_of(wire)
    await cycle.send({"type": "http.response.start", "status": 200, "headers": []})
    await cycle.send({"type": "http.response.body", "body": b"one", "more_body": True})
    wire.unread = True
    second = asyncio.create_task(
        cycle.send({"type": "http.response.body", "body": b"two", "more_body": True})
    )
    await asyncio.sleep(0)
    assert len(wire.writes) == 1
    wire.taken.set()
    await second
    assert len(wire.writes) == 2


async def test_nothing_is_written_after_a_disconnect() -> None:
    """Nothing is written to a client that has gone."""
    wire = Wire()
    wire.disconnected = True
    await answer(wire)
    assert not wire.writes


@pytest.mark.parametrize("started", [False, True])
async def test_an_application_error_is_logged_and_a_500(
    caplog: pytest.LogCaptureFixture, started: bool
) -> None:
    """What an application raises is logged and ends the connection, after a 500 where one can be
    sent.
    """
    wire = Wire()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
        raise ZeroDivisionError

    await cycle_of(wire).run(app, set())
    assert wire.sent.startswith(b"HTTP/1.1 200" if started else b"HTTP/1.1 500")
    assert wire.last
    assert "ZeroDivisionError" in caplog.text
