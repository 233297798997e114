"""Refused requests: those for other hosts, and too many at once."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message

from service.layers.admission import Admission, AllowedHosts, share_of
from service.owner import Identity, OwnerId
from service.settings import Settings
from service.web.addresses import address_of
from service.web.exchange import CONNECTION, Exchange
from tests.conftest import User, client_of, started
from tests.dispatching import dispatch, exchange_of


async def fine(_: Exchange) -> Response:
    return PlainTextResponse("fine")


def address(exchange: Exchange) -> str:
    return address_of(exchange.scope)


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
async def test_only_configured_hosts_are_served(host: str, path: str, status: int) -> None:
    """Only the configured hosts are served, on any port; probes always are."""
    hosts = AllowedHosts(("api.example", "10.0.0.1", "[::1]"))
    app = dispatch(fine, checks=[hosts.check])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
        response = await client.get(path, headers={"Host": host})
    assert response.status_code == status


async def test_without_configured_hosts_every_host_is_served() -> None:
    """Where none are set, all are answered for."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(dispatch(fine, checks=[AllowedHosts(()).check])),
        base_url="http://a",
    ) as client:
        assert (await client.get("/", headers={"Host": "whoever.example"})).status_code == 200


class Slow:
    """An application whose requests stay until they are let go."""

    def __init__(self) -> None:
        self.inside = 0
        self.go = asyncio.Event()

    async def __call__(self, request: Exchange) -> Response:
        self.inside += 1
        await self.go.wait()
        return await fine(request)


async def test_one_caller_gets_a_quarter_of_the_slots() -> None:
    """One caller gets a quarter of the slots, all callers together get all; others are refused at
    once, except probes.
    """
    slow = Slow()
    admission = Admission(8, address)
    app = dispatch(slow, admission=admission)

    def client(name: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=(name, 1)), base_url="http://a"
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


async def test_one_owners_requests_leave_slots_for_others(settings: Settings) -> None:
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


class Unread:
    """A connection whose client has not taken its answer yet."""

    def __init__(self) -> None:
        self.unread = True
        self.callbacks: list[Callable[[], object]] = []

    def when_taken(self, callback: Callable[[], object]) -> None:
        self.callbacks.append(callback)


async def test_an_unread_answer_counts_in_its_callers_share() -> None:
    """A caller's share is freed when the client has received the response, the slot when it is
    written.
    """
    admission = Admission(8, address)
    app = dispatch(fine, admission=admission)
    connections = [Unread() for _ in range(3)]
    statuses: list[int] = []

    async def asked(connection: Unread) -> None:
        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def receive() -> Message:
            return {"type": "http.request"}

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": [],
            "client": ("1", 1),
            CONNECTION: connection,
        }
        await app(scope, receive, send)

    for connection in connections:
        await asked(connection)
    assert statuses == [200, 200, 429]
    assert (admission.total, admission.inside) == (0, {"1": 2})
    connections[0].callbacks[0]()
    await asked(Unread())
    assert statuses == [200, 200, 429, 200]


def test_an_owner_named_like_an_address_has_a_share_of_its_own() -> None:
    """An owner whose id is an address takes nothing of the share of clients there; those of one
    IPv6 network share theirs.
    """
    anonymous = [
        share_of(exchange_of(client=(address, 1)))
        for address in ("2001:db8::1", "2001:db8::2", "::1")
    ]
    assert anonymous[0] == anonymous[1] != anonymous[2]
    named = exchange_of(client=("192.0.2.1", 1))
    named.identity = Identity(OwnerId("192.0.2.1"), None, 0.0)
    assert share_of(named) != share_of(exchange_of(client=("192.0.2.1", 1)))
