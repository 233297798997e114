"""The limits of a connection: time, memory, and its duties to requests in flight."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest
from starlette.responses import PlainTextResponse, Response

from service.server.protocol import HttpProtocol
from service.server.reader import OVERHEAD
from service.web.exchange import Exchange
from tests.dispatching import dispatch
from tests.server.bounded import GET, LARGE, answer, connected, handle, served, until_end

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
LARGE_GET = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b""], b""),
        ([b"\r\n"], b""),
        ([b"G"], b"408"),
        ([GET[:-2]], b"408"),
        ([b"GET / HTTP/1.1\r\nHost: a\r\nX: "], b"408"),
        ([POST], b"408"),
        ([POST + b"123456789"], b"408"),
        ([b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"], b"408"),
        ([GET + GET[:-2]], b"200"),
    ],
)
async def test_a_slow_client_is_closed_with_408(pieces: list[bytes], status: bytes) -> None:
    """Half a head, half a body, nothing at all: after its time the connection is closed, with 408
    where there is a request.
    """
    async with (
        served(head_timeout=0.1, body_timeout=0.1) as port,
        connected(port, *pieces) as (reader, _),
    ):
        assert (await until_end(reader))[9:12] == status


@pytest.mark.parametrize("begun", [GET[:-2] + b"X: ", POST.replace(b"10", b"10000")])
async def test_single_bytes_do_not_prolong_the_timeout(begun: bytes) -> None:
    """The time is for the whole head and the whole body: a byte now and then does not
    prolong it.
    """
    async with (
        served(head_timeout=0.2, body_timeout=0.2) as port,
        connected(port, begun) as (reader, writer),
    ):
        ended = asyncio.create_task(until_end(reader))
        async with asyncio.timeout(20):
            while not ended.done():
                with contextlib.suppress(ConnectionError):
                    writer.write(b"a")
                await asyncio.sleep(0.03)
        assert (await ended)[9:12] == b"408"


async def test_a_request_in_progress_has_no_client_timeout() -> None:
    """A request in progress is never cut off, whatever the client's limits are."""
    slow = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
    async with (
        served(head_timeout=0.1, body_timeout=0.1) as port,
        connected(port, slow) as (reader, _),
    ):
        assert (await answer(reader)).endswith(b"slow")


async def test_an_idle_connection_is_kept_beyond_the_header_timeout() -> None:
    """Between two requests the bounds for heads don't count: a connection is kept for the next
    one.
    """
    async with served(head_timeout=0.1) as port, connected(port, GET) as (reader, writer):
        await answer(reader)
        await asyncio.sleep(0.3)
        writer.write(GET)
        assert (await answer(reader))[9:12] == b"200"


async def test_empty_lines_do_not_keep_a_connection() -> None:
    """An empty line between two requests starts the header timeout: it keeps no connection open."""
    async with served(head_timeout=0.1) as port, connected(port, GET) as (reader, writer):
        await answer(reader)
        writer.write(b"\r\n")
        assert await until_end(reader) == b""


async def test_a_client_that_stops_reading_is_cut() -> None:
    """A client that takes no more of its answer for a while loses its connection."""
    async with served(read_timeout=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.6)
        assert len(await until_end(reader)) < LARGE
        writer.close()


async def test_a_client_that_reads_slowly_gets_all() -> None:
    """A client that reads some of its answer now and then gets all of it, however long it takes."""
    async with served(read_timeout=0.2) as port, connected(port, LARGE_GET) as (reader, _):
        taken = 0
        while taken < LARGE:
            taken += len(await reader.read(300_000))
            await asyncio.sleep(0.05)


async def test_at_the_limit_the_oldest_silent_connection_makes_room() -> None:
    """With every connection taken by clients that are silent, a new one still gets its answer: the
    oldest silent one goes.
    """
    async with served(max_connections=5) as port, contextlib.AsyncExitStack() as stack:
        silent = [
            await stack.enter_async_context(connected(port, piece))
            for piece in (GET[:-2], b"", POST, GET[:-2], b"")
        ]
        async with connected(port, GET) as (reader, _):
            assert (await answer(reader))[9:12] == b"200"
        assert await until_end(silent[0][0]) == b""
        assert not any(reader.at_eof() for reader, _ in silent[1:])


async def test_at_the_limit_requests_in_progress_are_kept() -> None:
    """Requests being answered are never cut off for a new connection; it is the new one that has to
    go.
    """
    begun, end = [], asyncio.Event()

    async def held(request: Exchange) -> Response:
        begun.append(request)
        await end.wait()
        return PlainTextResponse("done")

    async with (
        served(dispatch(held, 30), max_connections=3) as port,
        contextlib.AsyncExitStack() as stack,
    ):
        working = [await stack.enter_async_context(connected(port, GET)) for _ in range(3)]
        while len(begun) < 3:
            await asyncio.sleep(0.01)
        async with connected(port, GET) as (reader, _):
            assert await until_end(reader) == b""
        end.set()
        assert all([(await answer(reader)).endswith(b"done") for reader, _ in working])


async def test_at_the_limit_the_largest_address_makes_room() -> None:
    """It is the address with the most silent connections that loses one, not who has been silent
    for longest.
    """
    async with served(max_connections=4) as port, contextlib.AsyncExitStack() as stack:
        lone_reader, lone_writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=("127.0.0.2", 0)
        )
        stack.callback(lone_writer.close)
        crowd = [await stack.enter_async_context(connected(port, b"")) for _ in range(3)]
        async with connected(port, GET) as (reader, _):
            assert (await answer(reader))[9:12] == b"200"
        assert await until_end(crowd[0][0]) == b""
        lone_writer.write(GET)
        assert (await answer(lone_reader))[9:12] == b"200"


async def test_a_disconnect_within_a_body_logs_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """A client that goes away in the middle of its body leaves no error in the log."""
    async with served() as port:
        async with connected(port, POST + b"12345"):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.05)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_silent_and_slow_clients_disturb_no_other() -> None:
    """Beside 50 half-open connections and 50 slow bodies another client gets each of its answers,
    and all of them stay connected.

    How much later the answers come is for `make bench-hostile` to say.
    """
    async with served() as port, contextlib.AsyncExitStack() as stack:
        pieces = [GET[:-2] + b"X: ", POST.replace(b"10", b"100000")] * 50
        slow = [await stack.enter_async_context(connected(port, piece)) for piece in pieces]

        async def dribble() -> None:
            while True:
                for _, writer in slow:
                    writer.write(b"a")
                    await asyncio.sleep(0.005)

        task = asyncio.create_task(dribble())
        async with connected(port) as (reader, writer):
            for _ in range(300):
                writer.write(GET)
                assert (await answer(reader)).startswith(b"HTTP/1.1 200")
        assert not any(reader.at_eof() for reader, _ in slow)
        task.cancel()


async def test_unread_answers_are_bounded_in_total() -> None:
    """However many clients do not read, what is kept for them has its bound, and another client
    gets all of its answer meanwhile.
    """
    async with served(max_kept=3 * LARGE) as port:
        unread = [await asyncio.open_connection("127.0.0.1", port, limit=1024) for _ in range(10)]
        for _, writer in unread:
            writer.write(LARGE_GET)
        async with connected(port, LARGE_GET) as (reader, _):
            assert len(await answer(reader)) > LARGE
        for _, writer in unread:
            writer.close()


def noting(made: list[HttpProtocol]) -> Callable[[HttpProtocol, asyncio.Transport], None]:
    """A `connection_made` that notes the connection."""

    def note(connection: HttpProtocol, transport: asyncio.Transport) -> None:
        HttpProtocol.connection_made(connection, transport)
        made.append(connection)

    return note


async def test_half_sent_bodies_are_bounded() -> None:
    """At the limit of bytes the largest half-sent bodies are cut: a client with a small one sends
    the rest of it and is answered.
    """
    half = POST.replace(b"10", b"60000") + bytes(30_000)
    async with (
        served(max_kept=100_000) as port,
        connected(port, POST + b"12345") as (reader, writer),
        contextlib.AsyncExitStack() as stack,
    ):
        large = [await stack.enter_async_context(connected(port, half)) for _ in range(5)]
        async with asyncio.timeout(10):
            while sum(reader.at_eof() or bool(reader.exception()) for reader, _ in large) < 3:
                await asyncio.sleep(0.01)
        writer.write(b"67890")
        assert (await answer(reader)).endswith(b"1234567890")


async def test_each_piece_of_a_body_is_progress() -> None:
    """Each piece of a body is progress, but gives no more time for it."""
    made: list[HttpProtocol] = []

    async with served(connection_made=noting(made)) as port, connected(port, POST) as (_, writer):
        seen = set()
        for number in range(1, 4):
            writer.write(b"a")
            async with asyncio.timeout(10):
                while not made or made[0].kept < OVERHEAD + number:
                    await asyncio.sleep(0.01)
            seen.add((made[0].since, made[0].moved))
        begun, moved = zip(*seen, strict=True)
    assert (len({*begun}), len({*moved})) == (1, 3)


async def test_nothing_is_left_of_an_answer_once_read() -> None:
    """Nothing is left of an answer that was read."""
    made: list[HttpProtocol] = []

    async with (
        served(connection_made=noting(made)) as port,
        connected(port, LARGE_GET) as (reader, _),
    ):
        async with asyncio.timeout(10):
            while not made or not made[0].left:
                await asyncio.sleep(0.01)
        assert made[0].kept == LARGE
        await answer(reader)
        assert (made[0].left, made[0].kept) == (0, 0)


async def test_the_next_request_waits_until_the_answer_is_read() -> None:
    """While a client has not taken an answer, its next request is not begun."""
    begun = []

    async def counted(request: Exchange) -> Response:
        begun.append(request.scope["path"])
        return await handle(request)

    async with served(app=dispatch(counted, 5)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(LARGE_GET * 3)
        while not begun:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(begun) == 1
        async with asyncio.timeout(5):
            while len(begun) < 3:
                assert await reader.read(1_000_000)
        writer.close()


async def test_a_request_begins_when_its_body_is_complete() -> None:
    """The application sees no request whose body is still to come."""
    begun = []

    async def counted(request: Exchange) -> Response:
        begun.append(await request.receive())
        return PlainTextResponse("fine")

    async with (
        served(app=dispatch(counted, 5)) as port,
        connected(port, POST + b"12345") as (reader, writer),
    ):
        await asyncio.sleep(0.05)
        assert begun == []
        writer.write(b"67890")
        await reader.readuntil(b"\r\n\r\n")
        assert begun == [{"type": "http.request", "body": b"1234567890", "more_body": False}]


async def test_expect_100_is_answered_once() -> None:
    """A client that waits for 100 (Continue) gets it at once, and once."""
    head = POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    async with served() as port, connected(port, head) as (reader, writer):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"12345")
        await asyncio.sleep(0.02)
        writer.write(b"67890")
        assert (await answer(reader)).endswith(b"1234567890")
