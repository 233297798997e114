"""The connection that is closed at the limit of connections or of buffered bytes."""

import asyncio
from dataclasses import dataclass

import pytest

from service.server.connections import STALLED, Connections


@dataclass(eq=False)
class One:
    """A connection in some state."""

    network: str
    since: float = 0.0
    moved: float = 0.0
    kept: int = 0
    left: int = 0
    waits: bool = False
    reads: bool = False
    aborted: bool = False
    looked: int = 0

    def look(self, _: float) -> None:
        self.looked += 1

    def idle(self) -> bool:
        return self.waits

    def reading(self) -> bool:
        return self.reads

    def check(self, _: float) -> None:
        self.looked += 1

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
async def connections() -> Connections:
    return Connections(asyncio.get_running_loop(), period=3600)


def fill(connections: Connections, *ones: One, limit: int = 1000) -> None:
    for one in ones:
        connections.add(one, limit)


async def test_the_largest_network_loses_its_longest_idle_connection(
    connections: Connections,
) -> None:
    """The network with the most idle connections loses the one that has been idle for longest."""
    lone = One("b", since=1, waits=True)
    crowd = [One("a", since=since, waits=True) for since in (5, 3, 4)]
    fill(connections, lone, *crowd)
    connections.add(new := One("c"), 4)
    assert [one.aborted for one in (lone, *crowd, new)] == [False, False, True, False, False]
    assert len(connections) == 4


async def test_no_reader_is_cut_while_a_connection_is_idle(connections: Connections) -> None:
    """A client that reads its response is never cut while any connection is idle."""
    reader = One("a", since=0, reads=True)
    idle = [One("a", since=9, waits=True) for _ in range(8)]
    fill(connections, reader, *idle)
    for _ in range(8):
        connections.add(One("b"), 9)
    assert not reader.aborted
    assert all(one.aborted for one in idle)


async def test_a_network_with_a_quarter_of_all_loses_a_reader(connections: Connections) -> None:
    """If none is idle, a network with over a quarter of all connections loses a reader; without
    such a network the newcomer is closed.
    """
    readers = [One("a", since=since, reads=True) for since in (2, 1, 3)]
    fill(connections, *readers, *[One(f"at work {number}") for number in range(5)])
    connections.add(new := One("b"), 8)
    assert [one.aborted for one in (*readers, new)] == [False, True, False, False]
    connections.add(newer := One("c"), 8)
    assert [one.aborted for one in (*readers, newer)] == [False, True, False, True]


async def test_requests_in_progress_are_never_cut(connections: Connections) -> None:
    """If all others have requests in progress, the newcomer is closed."""
    working = [One("a") for _ in range(3)]
    fill(connections, *working)
    connections.add(new := One("b"), 3)
    assert new.aborted
    assert not any(one.aborted for one in working)


async def test_buffered_bytes_are_bounded_in_total(connections: Connections) -> None:
    """However much each connection buffers, all together never buffer more than the limit."""
    ones = [One(f"{number % 7}") for number in range(100)]
    fill(connections, *ones)
    for one in ones:
        one.left = 300
        connections.keep(one, 300, 1000)
        assert connections.kept == sum(one.kept for one in ones) <= 1000
    assert sum(one.aborted for one in ones) == 97


async def test_stalled_connections_are_cut_first(connections: Connections) -> None:
    """Of the connections with buffered bytes the stalled ones are cut first, even where another
    network buffers more.
    """
    now = asyncio.get_running_loop().time()
    stalled = One("a", moved=now - STALLED - 1, left=20)
    moving = One("b", moved=now, left=900)
    fill(connections, stalled, moving, new := One("c", moved=now, left=200))
    connections.keep(stalled, 20, 1000)
    connections.keep(moving, 900, 1000)
    connections.keep(new, 95, 1000)
    assert [one.aborted for one in (stalled, moving, new)] == [True, False, False]


async def test_a_small_stalled_connection_outlasts_a_large_network(
    connections: Connections,
) -> None:
    """A client that pauses with a small half-sent body stays, if a network that never stalls keeps
    many times more.
    """
    now = asyncio.get_running_loop().time()
    paused = One("a", moved=now - STALLED - 1)
    crowd = [One("b", moved=now) for _ in range(100)]
    fill(connections, paused, *crowd)
    connections.keep(paused, 10, 1000)
    for one in crowd:
        connections.keep(one, 60, 1000)
    assert not paused.aborted
    assert sum(one.aborted for one in crowd) == 84


async def test_of_half_sent_bodies_the_largest_is_cut(connections: Connections) -> None:
    """Of a network's half-sent requests the largest is cut, even if a smaller one has stalled."""
    now = asyncio.get_running_loop().time()
    paused, large = One("a", moved=now - STALLED - 1), One("a", moved=now)
    fill(connections, paused, large, new := One("a", moved=now))
    connections.keep(paused, 10, 1000)
    connections.keep(large, 900, 1000)
    connections.keep(new, 100, 1000)
    assert [one.aborted for one in (paused, large, new)] == [False, True, False]


async def test_of_the_largest_network_the_longest_answer_is_cut(connections: Connections) -> None:
    """While none is stalled, the network that buffers the most loses the connection with the most
    bytes left.
    """
    now = asyncio.get_running_loop().time()
    nearly, new = One("a", moved=now, left=1), One("a", moved=now, left=400)
    fill(connections, nearly, new, other := One("b", moved=now, left=300))
    connections.keep(nearly, 400, 1000)
    connections.keep(other, 300, 1000)
    connections.keep(new, 400, 1000)
    assert [one.aborted for one in (nearly, new, other)] == [False, True, False]


async def test_one_timer_watches_all_connections() -> None:
    """However many connections there are, one timer looks after them, and none after none."""
    connections = Connections(asyncio.get_running_loop(), period=0.01)
    fill(connections, *(ones := [One("a") for _ in range(50)]))
    while not all(one.looked > 1 for one in ones):
        await asyncio.sleep(0.01)
    assert len({one.looked for one in ones}) == 1
    for one in ones:
        connections.remove(one)
    await asyncio.sleep(0.03)
    looked = ones[0].looked
    await asyncio.sleep(0.03)
    assert ones[0].looked == looked
