"""Who is turned away: other hosts' requests, and more at once than there is room for."""

import asyncio

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from service.layers.admission import Admission, AllowedHosts, address_of
from service.settings import Settings
from tests.conftest import User, client_of, started


async def fine(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("fine")(scope, receive, send)


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("api.example", "/", 200),
        ("API.Example:8000", "/", 200),
        ("10.0.0.1:80", "/", 200),
        ("[::1]:8000", "/", 200),
        ("[::1]", "/", 200),
        ("evil.example", "/", 421),
        ("api.example.evil.example", "/", 421),
        ("evil.example:api.example", "/", 421),
        ("api.example.", "/", 421),
        ("", "/", 421),
        ("evil.example", "/livez", 200),
        ("evil.example", "/readyz", 200),
        ("evil.example", "/health", 200),
    ],
)
async def test_hosts(host: str, path: str, status: int) -> None:
    """Only the hosts that are set are answered for, whatever the port; probes always are."""
    app = AllowedHosts(fine, ("api.example", "10.0.0.1", "[::1]"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
        response = await client.get(path, headers={"Host": host})
    assert response.status_code == status


async def test_any_host() -> None:
    """Where none are set, all are answered for."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(AllowedHosts(fine, ())), base_url="http://a"
    ) as client:
        assert (await client.get("/", headers={"Host": "whoever.example"})).status_code == 200


class Slow:
    """An application whose requests stay until they are let go."""

    def __init__(self) -> None:
        self.inside = 0
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside += 1
        await self.go.wait()
        await fine(scope, receive, send)


async def test_room() -> None:
    """One caller gets a quarter of the room, all together the whole of it; the rest are told at
    once, probes not at all.
    """
    slow = Slow()
    admission = Admission(slow, 8, address_of)

    def client(address: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(admission, client=(address, 1)), base_url="http://a"
        )

    async with (
        asyncio.timeout(5),
        client("1") as first,
        client("2") as second,
        client("3") as third,
        client("4") as fourth,
    ):
        waiting = [
            asyncio.create_task(one.get("/")) for one in (first, second, third) for _ in range(3)
        ]
        while slow.inside < 6:
            await asyncio.sleep(0.001)
        done = [task for task in waiting if task.done()]
        assert [
            (task.result().status_code, task.result().headers["Retry-After"]) for task in done
        ] == [(429, "1")] * 3
        waiting += [asyncio.create_task(fourth.get("/")) for _ in range(2)]
        while slow.inside < 8:
            await asyncio.sleep(0.001)
        async with client("5") as fifth:
            crowded = await fifth.get("/")
            assert (crowded.status_code, crowded.headers["Retry-After"]) == (503, "1")
            probe = asyncio.create_task(fifth.get("/livez"))
            slow.go.set()
            assert (await probe).status_code == 200
        assert (
            sorted([response.status_code for response in await asyncio.gather(*waiting)])
            == [200] * 8 + [429] * 3
        )
        assert (admission.total, admission.inside) == (0, {})


async def test_one_owner_leaves_room_for_others(settings: Settings) -> None:
    """However many requests one owner makes at once, another owner from the same address
    gets in.
    """
    async with (
        started(settings.model_copy(update={"max_in_flight": 8})) as app,
        client_of(app) as client,
    ):
        greedy = asyncio.gather(*(User(client, "alice").call("GET") for _ in range(40)))
        modest = await User(client, "bob").call("GET")
        statuses = [response.status_code for response in await greedy]
    assert modest.status_code == 200
    assert set(statuses) == {200, 429}
