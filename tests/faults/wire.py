"""A network to the database that can be slow, cut, deaf, or pass one byte at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

CHUNK = 65536
ALONE = b" 1\x00Z\x00\x00\x00\x05I"
"""The end of one row, selected or inserted, and "ready for the next, in no transaction"."""

TOGETHER = b"COMMIT\x00Z\x00\x00\x00\x05I"
"""The end of a transaction, and the same."""


class Wire:
    """A TCP proxy in front of a PostgreSQL. Its properties can be changed at any time and hold for
    all connections.

    `latency`: seconds that each piece takes, each way. `hole`: what is sent, either way, is
    lost, without an error. `drip`: answers arrive byte by byte. `cut_after`: so many bytes of
    answers still arrive before the connection is cut. `cut_at`: the connection is cut in the place
    of an answer with these bytes in it, once. `refuse`: new connections are closed.
    What came from clients is counted by the piece: `asked`, and what of it was `swallowed`.
    """

    def __init__(self, database: str) -> None:
        self._database = urlsplit(database)
        self.lead(database)
        self._ends: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.latency = 0.0
        self.hole = self.drip = self.refuse = False
        self.cut_after: int | None = None
        self.cut_at = b""
        self.cuts = 0
        self.asked = self.swallowed = 0
        self.taken = 0
        self.dsn = ""

    def lead(self, database: str) -> None:
        """Lead new connections to that one's server."""
        parts = urlsplit(database)
        query = parse_qs(parts.query)
        self._host = query.get("host", [parts.hostname or ""])[0]
        self._port = int(query.get("port", [str(parts.port or 5432)])[0])

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        """The wire for as long as the block lasts; `dsn` leads through it."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        user = f"{self._database.username}:{self._database.password or ''}"
        self.dsn = f"postgresql://{user}@127.0.0.1:{port}{self._database.path}?sslmode=disable"
        try:
            yield self
        finally:
            server.close()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            await server.wait_closed()

    def cut(self) -> None:
        """Cut all connections."""
        for end in self._ends:
            end.transport.abort()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._ends) // 2

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        if self.refuse:
            writer.transport.abort()
            return
        try:
            there = (
                await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
                if self._host.startswith("/")
                else await asyncio.open_connection(self._host, self._port)
            )
        except OSError:  # nothing is there at the moment
            writer.transport.abort()
            return
        ends = {writer, there[1]}
        self._ends |= ends
        pumps = {
            asyncio.create_task(self._forth(reader, there[1])),
            asyncio.create_task(self._back(there[0], writer)),
        }
        self._pumps |= pumps
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._pumps -= pumps
            self._ends -= ends
            for end in ends:
                end.transport.abort() if self.hole else end.close()

    async def _forth(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(CHUNK):
                await asyncio.sleep(self.latency)
                self.asked += 1
                if self.hole:
                    self.swallowed += 1
                else:
                    sink.write(chunk)

    async def _back(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(CHUNK):
                await asyncio.sleep(self.latency)
                if self.hole:
                    continue
                if self.cut_at and self.cut_at in chunk:
                    self.cut_at = b""
                    self.cuts += 1
                    return
                if self.cut_after is not None:
                    whole, self.cut_after = self.cut_after, self.cut_after - len(chunk)
                    if self.cut_after < 0:
                        sink.write(chunk[:whole])
                        self.cut_after = None
                        self.cuts += 1
                        return
                for piece in (
                    (chunk[at : at + 1] for at in range(len(chunk))) if self.drip else (chunk,)
                ):
                    sink.write(piece)
                    await asyncio.sleep(0)
