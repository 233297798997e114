"""Crowds of clients that mean no good, or whose network is bad: for the attack tables, and for the
soak.
"""

import asyncio
import contextlib
import resource
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from threading import Event, Thread

Address = tuple[str, int]

HERE = "127.0.0.1"
UNFINISHED = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "


@contextlib.contextmanager
def room(descriptors: int = 2048) -> Iterator[None]:
    """Let this process have so many descriptors at least."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, descriptors)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def holding(
    address: Address, number: int, *each: bytes, source: str = HERE
) -> Iterator[list[socket.socket]]:
    """Connections that send one of these and read nothing, with little room on the way."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(room())
        connections = []
        for sent in islice(cycle(each), number):
            connection = stack.enter_context(socket.socket())
            connections.append(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(10)
            with contextlib.suppress(OSError):
                connection.bind((source, 0))
                connection.connect(address)
                connection.sendall(sent)
        yield connections


@contextlib.contextmanager
def dripping(
    address: Address, number: int, first: bytes = UNFINISHED, *, source: str = HERE
) -> Iterator[None]:
    """Connections that send a byte now and then and never finish; what the service ends is opened
    anew.
    """
    stop = Event()

    def drip() -> None:
        connections: dict[int, socket.socket] = {}
        while not stop.wait(0.1):
            for each in range(number):
                try:
                    if each in connections:
                        connections[each].send(b" ")
                    else:
                        connections[each] = socket.create_connection(
                            address, 5, source_address=(source, 0)
                        )
                        connections[each].send(first)
                except OSError:
                    if each in connections:
                        connections.pop(each).close()
        for connection in connections.values():
            connection.close()

    thread = Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def reconnecting(
    address: Address, number: int, each: bytes, *, source: str = HERE
) -> Iterator[Counter[bytes]]:
    """Clients that open a connection for each request, which is the last one on it; the statuses
    as they come.
    """
    statuses: Counter[bytes] = Counter()
    stop = Event()

    async def client() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(*address, local_addr=(source, 0))
                writer.write(each)
                statuses[(await reader.read())[9:12]] += 1
                writer.close()

    async def clients() -> None:
        await asyncio.gather(*(client() for _ in range(number)))

    thread = Thread(target=asyncio.run, args=(clients(),))
    with room():
        thread.start()
        try:
            yield statuses
        finally:
            stop.set()
            thread.join()


def reset(address: Address, number: int, each: bytes, *, source: str = HERE) -> None:
    """Open connections, send this, and have them vanish in the middle of it."""
    with holding(address, number, each, source=source) as connections:
        for connection in connections:
            now = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
