"""Every request is answered in time, and cancelled when its client disconnects."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Scope

from service.db import deadline
from service.layers import timeout
from service.web.exchange import Exchange
from tests.dispatching import dispatch

SCOPE: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
Work = Callable[[Exchange], Awaitable[object]]


@pytest.fixture(autouse=True)
def _watched_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch begins within milliseconds."""
    monkeypatch.setattr(timeout, "LISTEN_AFTER", 0.005)


def busy_with(work: Work, seconds: float = 60) -> ASGIApp:
    """An application that does this work, with this timeout, and answers 200."""

    async def handle(request: Exchange) -> Response:
        await work(request)
        return Response()

    return dispatch(handle, seconds)


async def sent(app: ASGIApp, *messages: Message | float) -> list[Message]:
    """What the application sends to a client that sends these messages, with pauses of so many
    seconds, and then waits.
    """
    rest = iter(messages)
    answers: list[Message] = []

    async def receive() -> Message:
        for message in rest:
            if not isinstance(message, float):
                return message
            await asyncio.sleep(message)
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def send(message: Message) -> None:
        answers.append(message)

    await app({**SCOPE, "client": ("192.0.2.1", 1)}, receive, send)
    return answers


def body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


def problem(answers: list[Message]) -> tuple[int, str]:
    """Status and type of a problem; 503 comes with Retry-After."""
    start, content = answers
    assert ((b"retry-after", b"1") in start["headers"]) == (start["status"] == 503)
    return start["status"], json.loads(content["body"])["type"]


GONE: Message = {"type": "http.disconnect"}


async def test_a_request_over_its_time_is_503() -> None:
    """After its time a request is cancelled and answered 503: nothing was changed."""
    cancelled = asyncio.Event()

    async def slow(request: Exchange) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    assert problem(await sent(busy_with(slow, 0.05), body(b""))) == (
        503,
        "/problems/unavailable",
    )
    assert cancelled.is_set()


async def test_a_write_cut_by_the_timeout_is_unknown() -> None:
    """A request that is cancelled during a write does not claim that nothing was changed."""

    async def write(request: Exchange) -> None:
        deadline.in_doubt(unknown=True)
        await asyncio.sleep(60)

    assert problem(await sent(busy_with(write, 0.05), body(b""))) == (
        503,
        "/problems/outcome-unknown",
    )


async def test_a_foreign_timeout_error_is_a_fault() -> None:
    """A TimeoutError that is not the request's own deadline is a fault like any other."""

    async def fail(request: Exchange) -> None:
        raise TimeoutError

    assert problem(await sent(busy_with(fail), body(b""))) == (
        500,
        "/problems/internal-error",
    )


async def test_the_deadline_holds_within_the_request_alone() -> None:
    """All waits within a request end with it; afterwards there is no deadline any more."""
    seen = []

    async def look(request: Exchange) -> None:
        seen.append(deadline.within(60))

    await sent(busy_with(look, 10))
    assert 8 < seen[0] < 10
    assert deadline.within(60) == 60


@pytest.mark.parametrize("read", [True, False])
async def test_a_disconnect_cancels_the_request(*, read: bool) -> None:
    """The work stops soon after the client has gone, whether or not its body was read, and nothing
    is answered.
    """
    ended: list[str] = []

    async def work(request: Exchange) -> None:
        if read:
            assert await request.body() == b"whole"
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with asyncio.timeout(10):
        assert await sent(busy_with(work), body(b"whole"), 0.02, GONE) == []
    assert ended == ["cancelled"]


async def test_a_disconnect_within_the_body_reaches_the_handler() -> None:
    """A handler that waits for the rest of a body is notified as usual; nothing is answered."""

    async def work(request: Exchange) -> None:
        await request.body()

    assert await sent(busy_with(work), body(b"half", more=True), 0.02, GONE) == []


async def test_a_late_reader_gets_the_whole_body() -> None:
    """A body that comes in pieces before, while and after the watch begins is read in order, and
    nothing is lost of it.
    """
    got = []

    async def work(request: Exchange) -> None:
        await asyncio.sleep(0.03)
        got.append(await request.body())
        await asyncio.sleep(0.03)

    pieces: list[Message | float] = [
        body(b"one ", more=True),
        body(b"two ", more=True),
        0.05,
        body(b"three ", more=True),
        0.02,
        body(b"four"),
    ]
    answers = await sent(busy_with(work), *pieces)
    assert got == [b"one two three four"]
    assert answers[0]["status"] == 200


async def test_cancellation_from_outside_passes() -> None:
    """A task that is cancelled from outside stays cancelled."""
    began = asyncio.Event()

    async def work(request: Exchange) -> None:
        began.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(sent(busy_with(work), body(b"")))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_after_the_answer_the_client_is_not_watched() -> None:
    """After a slow request is answered, its client is no longer watched."""

    async def work(request: Exchange) -> None:
        await asyncio.sleep(0.03)

    assert (await sent(busy_with(work), body(b"")))[0]["status"] == 200
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
