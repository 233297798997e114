"""New connections: which of them begin first, and what there may be of them."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from service.server import acceptor, descriptors
from service.server.acceptor import Acceptor, Loop

CROWD, OTHER = "127.0.0.1", "127.0.0.2"


class Recorder(asyncio.Protocol):
    """Notes when it begins, and whether it was ended."""

    def __init__(self, begun: list["Recorder"]) -> None:
        self.begun = begun
        self.told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.client = transport.get_extra_info("peername")[0]
        self.begun.append(self)

    def shutdown(self) -> None:
        self.told = True


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """No turn is long, however busy the machine is."""
    monkeypatch.setattr(acceptor, "PACE", 600)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket, as an Acceptor takes it."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:
        yield listener


@contextlib.contextmanager
def connected(listener: socket.socket, *sources: str) -> Iterator[list[socket.socket]]:
    """Clients that have connected from these addresses, in this order."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                socket.create_connection(listener.getsockname(), 5, source_address=(source, 0))
            )
            for source in sources
        ]


@contextlib.asynccontextmanager
async def accepting(listener: socket.socket, begun: list[Recorder]) -> AsyncIterator[Acceptor]:
    """An acceptor for connections that are recorded, at work."""
    found = Acceptor(asyncio.get_running_loop(), lambda: Recorder(begun), [listener.dup()])
    try:
        yield found
    finally:
        found.close()
        await found.wait_closed()
        for each in begun:
            each.transport.close()


async def until(begun: list[Recorder], number: int) -> None:
    """Return when so many have begun."""
    async with asyncio.timeout(20):
        while len(begun) < number:
            await asyncio.sleep(0)


async def test_a_connection_passes_a_hundred_of_another_network(listener: socket.socket) -> None:
    """One connection behind a hundred of another network begins before nearly all of them."""
    begun: list[Recorder] = []
    with connected(listener, *[CROWD] * 100, OTHER):
        async with accepting(listener, begun):
            await until(begun, 101)
    order = [each.client for each in begun]
    assert sorted(order) == [CROWD] * 100 + [OTHER]
    assert order.index(OTHER) < 10


async def test_networks_take_turns(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more networks wait than a turn has room for, they take turns."""
    monkeypatch.setattr(acceptor, "NETWORKS", 1)
    begun: list[Recorder] = []
    with connected(listener, *[CROWD] * 20, *[OTHER] * 20):
        async with accepting(listener, begun) as found:
            found._batch = dict.fromkeys(found.sockets, 64)  # noqa: SLF001
            await until(begun, 40)
    assert [each.client for each in begun] == [CROWD, OTHER] * 20


async def test_in_long_turns_a_network_begins_a_few_connections(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where turns are long a crowd's connections begin a few a turn."""
    monkeypatch.setattr(acceptor, "PACE", 1e-9)
    begun: list[Recorder] = []
    each_turn = []
    with connected(listener, *[CROWD] * 100):
        async with accepting(listener, begun) as found, asyncio.timeout(20):
            found._batch = dict.fromkeys(found.sockets, 200)  # noqa: SLF001
            while len(begun) < 100:
                before = len(begun)
                await asyncio.sleep(0)
                each_turn.append(len(begun) - before)
    assert max(each_turn) == acceptor.ROUNDS


async def test_two_workers_share_simultaneous_connections(listener: socket.socket) -> None:
    """Of connections that come at once, neither of two workers takes nearly all."""
    one: list[Recorder] = []
    two: list[Recorder] = []
    with connected(listener, *[CROWD] * 60):
        async with accepting(listener, one), accepting(listener, two):
            async with asyncio.timeout(20):
                while len(one) + len(two) < 60:
                    await asyncio.sleep(0)
    assert min(len(one), len(two)) >= 15


async def test_the_number_of_waiting_connections_is_bounded(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more are accepted than may wait; the others begin later."""
    monkeypatch.setattr(Acceptor, "most_waiting", 3)
    begun: list[Recorder] = []
    waiting = []
    with connected(listener, *[CROWD] * 30):
        async with accepting(listener, begun) as found, asyncio.timeout(20):
            while len(begun) < 30:
                waiting.append(found._waiting.size)  # noqa: SLF001
                await asyncio.sleep(0)
    assert max(waiting) in (2, 3)  # one of three has begun when they are counted


async def test_without_a_descriptor_a_connection_waits_and_is_logged_once(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a descriptor for it a connection waits, the loop does not spin, and the log says so
    once.
    """
    tries = []
    accept = socket.socket.accept

    def refuse(self: socket.socket) -> tuple[socket.socket, Any]:
        tries.append(self)
        if len(tries) < 4:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", refuse)
    monkeypatch.setattr(acceptor, "PAUSE", 0.01)
    monkeypatch.setattr(descriptors, "_warned_at", -1e9)
    begun: list[Recorder] = []
    with connected(listener, CROWD):
        async with accepting(listener, begun):
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(tries) == 1
            await until(begun, 1)
    assert caplog.text.count("no file descriptor is left") == 1


async def test_closing_ends_waiting_connections(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end nobody can connect; waiting connections are closed, and one whose start is under
    way gets its notice.
    """
    begun: list[Recorder] = []
    with connected(listener, CROWD, CROWD, CROWD) as clients:
        async with accepting(listener, begun) as found:
            found._batch = dict.fromkeys(found.sockets, 64)  # noqa: SLF001
            while not found._beginning:  # noqa: SLF001
                await asyncio.sleep(0)
            found.close()
            listener.close()
            await found.wait_closed()
            assert [each.told for each in begun] == [True]
            for client in clients[1:]:
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(1) == b""
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(clients[0].getpeername(), 5)


@pytest.mark.parametrize("given", ["address", "socket"])
def test_uvloops_servers_accept_by_turns(given: str) -> None:
    """Uvloop's servers accept so, whether they bind an address or are given a socket, and keep no
    client waiting for the next packet.
    """
    begun: list[Recorder] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        if given == "address":
            server: Any = await loop.create_server(lambda: Recorder(begun), "127.0.0.1", 0)
        else:
            bound = socket.socket()
            bound.bind(("127.0.0.1", 0))
            server = await loop.create_server(lambda: Recorder(begun), sock=bound)
        with connected(server.sockets[0], CROWD):
            await until(begun, 1)
            found = begun[0].transport.get_extra_info("socket")
            assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            server.close()
            await server.wait_closed()
            begun[0].transport.close()

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(serve())


def test_the_kernel_buffers_little_of_an_unread_answer() -> None:
    """The kernel buffers little of an answer that nobody reads; the service counts the rest."""
    begun: list[Recorder] = []
    size = 8 * 2**20

    async def serve() -> None:
        server: Any = await asyncio.get_running_loop().create_server(
            lambda: Recorder(begun), "127.0.0.1", 0
        )
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(server.sockets[0].getsockname())
            await until(begun, 1)
            transport: Any = begun[0].transport
            transport.write(bytes(size))
            assert size - transport.get_write_buffer_size() < 2 * acceptor.UNSENT
            server.close()
            transport.abort()

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(serve())
