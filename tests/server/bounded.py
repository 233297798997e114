"""A server with limits set by a test, and clients that send it bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from service.server.protocol import HttpProtocol
from service.web.exchange import Exchange
from tests.dispatching import dispatch

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = 4 * 2**20


async def handle(request: Exchange) -> Response:
    """Echoes bodies; /slow takes a while, /large says much, /early does not read."""
    match request.url.path:
        case "/slow":
            await asyncio.sleep(0.3)
            return PlainTextResponse("slow")
        case "/large":
            return PlainTextResponse("a" * LARGE)
        case "/early":
            return PlainTextResponse("early", 401)
        case _:
            return PlainTextResponse(await request.body())


@contextlib.asynccontextmanager
async def served(app: ASGIApp | None = None, **bounds: Any) -> AsyncIterator[int]:
    """Return the port of a server with these limits and this application."""
    protocol = type("Bounded", (HttpProtocol,), {"sweep": 0.02, **bounds})
    config = uvicorn.Config(
        app or dispatch(handle, 5),
        port=0,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def connected(
    port: int, *pieces: bytes
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def until_end(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the service closes."""
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):
            return await reader.read()
    return b""


async def answer(reader: asyncio.StreamReader) -> bytes:
    """One answer, whole."""
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = [
            line.split(b":")[1]
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        ]
        return head + await reader.readexactly(int(length))
