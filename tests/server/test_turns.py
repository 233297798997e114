"""The requests that start in each iteration of the event loop."""

import asyncio
from functools import partial

import pytest

from service.server import turns
from service.server.turns import STARTED, Turns
from tests.server.bounded import GET, connected, served


async def test_a_networks_requests_do_not_delay_another_networks() -> None:
    """Of a hundred requests of one network a few begin each turn, in order, and another network's
    do not wait for them.
    """
    begun: list[tuple[str, int]] = []
    found = Turns(asyncio.get_running_loop())
    for number in range(100):
        found.begin("crowd", partial(begun.append, ("crowd", number)))
    found.begin("other", partial(begun.append, ("other", 0)))
    assert begun == [*(("crowd", number) for number in range(STARTED)), ("other", 0)]
    turn = 1
    while len(begun) < 101:
        await asyncio.sleep(0)
        turn += 1
        assert len(begun) == 1 + min(100, turn * STARTED)
        found.begin("other", partial(begun.append, ("other", turn)))
        assert begun.pop() == ("other", turn)
    begun.remove(("other", 0))
    assert begun == [("crowd", number) for number in range(100)]


async def test_requests_of_a_network_begin_in_order() -> None:
    """A request that comes while others of its network wait begins after those."""
    begun: list[int] = []
    found = Turns(asyncio.get_running_loop())
    for number in range(2 * STARTED + 1):
        found.begin("crowd", partial(begun.append, number))
    await asyncio.sleep(0)
    found.begin("crowd", partial(begun.append, 2 * STARTED + 1))
    for _ in range(3):
        await asyncio.sleep(0)
    assert begun == [*range(2 * STARTED + 2)]


async def test_without_requests_nothing_is_scheduled() -> None:
    """Where nothing comes, nothing is called."""
    loop = asyncio.get_running_loop()
    found = Turns(loop)
    found.begin("somebody", lambda: None)
    await asyncio.sleep(0)
    with pytest.MonkeyPatch.context() as patch:
        called: list[object] = []
        patch.setattr(Turns, "_turn", lambda *_: called.append(_))
        for _ in range(3):
            await asyncio.sleep(0)
        assert called == []


async def test_a_waiting_request_whose_client_left_is_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No work is done for a client that went away before its request began."""
    answered: list[str] = []

    async def application(scope: object, receive: object, send: object) -> None:
        answered.append("somebody")
        raise RuntimeError

    monkeypatch.setattr(turns, "STARTED", 0)
    async with (
        served(application) as port,
        connected(port) as (_, gone),
        connected(port) as (
            reader,
            writer,
        ),
    ):
        gone.write(GET)
        writer.write(GET)
        await asyncio.sleep(0.1)
        assert answered == []
        gone.close()
        await gone.wait_closed()
        await asyncio.sleep(0.1)
        monkeypatch.setattr(turns, "STARTED", 8)
        assert await reader.read(12) == b"HTTP/1.1 500"
    assert answered == ["somebody"]
    assert "Exception in callback" not in caplog.text
