import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from service.server.whole_answers import Whole


class Transport:
    """What was written, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True


def cycle_of(**state: Any) -> Any:
    """A request of uvicorn's, as far as an answer touches it."""
    return SimpleNamespace(
        transport=Transport(),
        flow=SimpleNamespace(write_paused=False),
        scope={"method": "GET"},
        default_headers=[(b"date", b"today")],
        message_event=asyncio.Event(),
        on_response=lambda: None,
        keep_alive=True,
        disconnected=False,
        response_started=False,
        response_complete=False,
        **state,
    )


async def answer(cycle: Any, *headers: tuple[bytes, bytes], **more: Any) -> None:
    """An application's answer to that request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        assert not cycle.transport.writes
        await send({"type": "http.response.body", "body": b"hello", **more})

    await Whole(app, cycle)(cycle.scope, None, None)  # type: ignore[arg-type]


async def test_head_and_body_are_one_write() -> None:
    """The head waits for the body, and both go out together."""
    cycle = cycle_of()
    await answer(cycle, (b"content-length", b"5"))
    assert cycle.transport.writes == [
        b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 5\r\n\r\nhello"
    ]
    assert cycle.response_complete
    assert not cycle.transport.closed


async def test_a_last_answer_says_so_and_closes() -> None:
    """Where the connection is not kept, the answer tells, and the connection is closed after it."""
    cycle = cycle_of()
    cycle.keep_alive = False
    await answer(cycle)
    assert b"\r\nconnection: close\r\n\r\nhello" in cycle.transport.writes[0]
    assert cycle.transport.closed


async def test_head_has_no_body() -> None:
    """The answer to HEAD ends after its head."""
    cycle = cycle_of()
    cycle.scope["method"] = "HEAD"
    await answer(cycle)
    assert cycle.transport.writes[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\x00b", b"\x7f"])
async def test_no_header_can_end_early(value: bytes) -> None:
    """A value that would begin another header, or be cut short, is not sent at all."""
    cycle = cycle_of()
    with pytest.raises(RuntimeError, match="would end it"):
        await answer(cycle, (b"location", value))
    assert not cycle.transport.writes


async def test_nothing_is_streamed() -> None:
    """A body in pieces is a fault of the application."""
    with pytest.raises(RuntimeError, match="in one piece"):
        await answer(cycle_of(), more_body=True)


async def test_nobody_is_there_any_more() -> None:
    """Nothing is written to a client that has gone."""
    cycle = cycle_of()
    cycle.disconnected = True
    await answer(cycle)
    assert not cycle.transport.writes
