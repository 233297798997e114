"""Relays between a client and the tests' server: with other TLS, delays, or changed bytes."""

import asyncio
import contextlib
import math
import ssl
import time
from collections.abc import AsyncIterator, Callable

from service.database_url import parse

Hand = Callable[[bytes], bytes]


class Flow:
    """A tracked connection."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.forgotten = False

    def passes(self, forgets: float) -> bool:
        """Tell whether something that comes now goes on."""
        now = time.monotonic()
        self.forgotten |= now - self._last > forgets
        self._last = now
        return not self.forgotten


@contextlib.asynccontextmanager
async def relay(
    dsn: str,
    *,
    up: Hand = bytes,
    down: Hand = bytes,
    tls: ssl.SSLContext | None = None,
    direct: bool = False,
    held: float = 0,
    forgets: float = math.inf,
) -> AsyncIterator[int]:
    """The port on loopback of a relay to the server.

    `up` and `down` change what goes by. With `tls` it is the relay that ends TLS, from the first
    byte on when `direct`. What a client sends first is held back for `held` seconds. A connection
    over which nothing went for `forgets` seconds is forgotten, as by a firewall: what is sent later
    is lost, without an error on either side.
    """
    target = parse(dsn)
    host, port = target.hosts[0], target.ports[0]
    at_work: set[asyncio.Task[None]] = set()

    async def pump(
        source: asyncio.StreamReader, sink: asyncio.StreamWriter, hand: Hand, flow: Flow
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                data = hand(data)
                if flow.passes(forgets):
                    sink.write(data)
                    await sink.drain()
        if not flow.forgotten:
            sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        at_work.add(task)
        # A client that does not trust us goes away; what was forgotten is there until the end
        ends = (OSError, EOFError, asyncio.CancelledError)
        with contextlib.closing(writer), contextlib.suppress(*ends):
            await asyncio.sleep(held)
            if tls and not direct:
                await reader.readexactly(8)  # SSLRequest
                writer.write(b"S")
                await writer.start_tls(tls)
            unix = host.startswith("/")
            opened = (
                asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
                if unix
                else asyncio.open_connection(host, port)
            )
            above, below = await opened
            with contextlib.closing(below):
                flow = Flow()
                await asyncio.gather(pump(reader, below, up, flow), pump(above, writer, down, flow))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls if direct else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0.01)  # closed transports end in later turns of the loop
