"""A place between the service and its PostgreSQL where round trips are counted."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

SOCKET = ".s.PGSQL.5432"


class Wire:
    """Passes everything on, and counts the server's `ReadyForQuery`: one ends each round trip."""

    def __init__(self) -> None:
        self.round_trips = 0

    @asynccontextmanager
    async def to(self, dsn: str, folder: Path) -> AsyncIterator[str]:
        """The URL that leads through here to that server, by way of a socket in `folder`."""
        parts = urlsplit(dsn)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        host, port = query.get("host") or parts.hostname or "localhost", parts.port or query.get("port", "5432")

        def open_server() -> Coroutine[None, None, tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
            if host.startswith("/"):
                return asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
            return asyncio.open_connection(host, int(port))

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server_reader, server_writer = await open_server()
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_pass(reader, server_writer))
                ways.create_task(self._count(server_reader, writer))

        account = parts.netloc.rpartition("@")[0]
        async with await asyncio.start_unix_server(connected, folder / SOCKET):
            yield urlunsplit(parts._replace(netloc=f"{account}@", query=f"host={quote(str(folder))}&port=5432"))

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError), closing(writer):
            while True:
                head = await reader.readexactly(5)  # the kind, and the length with itself
                self.round_trips += head[:1] == b"Z"
                writer.write(head + await reader.readexactly(int.from_bytes(head[1:]) - 4))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer):
        while piece := await reader.read(65536):
            writer.write(piece)
