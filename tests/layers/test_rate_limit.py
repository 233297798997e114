"""Rate limits: what they count, by which key, and the RateLimit fields."""

import pytest

from service.layers import rate_limit as rates
from service.layers.rate_limit import Limiter, Rate
from service.settings import Settings
from service.web.addresses import network_of
from tests.conftest import User, client_of, started


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "quota", "window"), [("5/second", 5, 1), ("600/minute", 600, 60), ("1/hour", 1, 3600)]
)
def test_a_rate_is_a_number_of_requests_in_a_period(text: str, quota: int, window: int) -> None:
    """A rate is a number of requests in a period."""
    assert Rate.parse(text) == Rate(quota, window)


@pytest.mark.parametrize(("quota", "window"), [(1, 1), (3, 1), (7, 60), (100, 60), (999, 3600)])
def test_a_whole_quota_can_be_used_at_once(quota: int, window: int) -> None:
    """The whole quota can be used at once; then one comes back after each part of the window, and
    all after the whole.
    """
    clock = Clock()
    limiter = Limiter(Rate(quota, window), clock)
    assert [limiter.hit("a").remaining for _ in range(quota)] == list(range(quota - 1, -1, -1))
    refused = limiter.hit("a")
    assert refused.wait == pytest.approx(window / quota)
    assert refused.reset == pytest.approx(window)
    clock.now += refused.wait
    assert limiter.hit("a").wait == 0
    assert limiter.hit("a").wait > 0
    clock.now += window
    assert limiter.hit("a").remaining == quota - 1


def test_refusals_are_not_counted() -> None:
    """A client that goes on asking does not prolong its wait."""
    clock = Clock()
    limiter = Limiter(Rate(1, 60), clock)
    limiter.hit("a")
    for _ in range(59):
        clock.now += 1
        assert limiter.hit("a").wait > 0
    clock.now += 1
    assert limiter.hit("a").wait == 0


def test_callers_have_separate_quotas_and_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each caller has a quota of its own; of those remembered the one unseen for longest is
    forgotten.
    """
    monkeypatch.setattr(rates, "MAX_CALLERS", 3)
    limiter = Limiter(Rate(1, 60), Clock())
    assert [limiter.hit(key).wait for key in "abc"] == [0, 0, 0]
    assert limiter.hit("a").wait > 0
    assert limiter.hit("d").wait == 0
    assert limiter.hit("a").wait > 0
    assert limiter.hit("b").wait == 0


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
        ("unix", "unix", ""),
    ],
)
def test_an_ipv6_client_is_its_64_network(address: str, same: str, other: str) -> None:
    """An IPv4 address is one client; an IPv6 client is its /64."""
    of = [network_of({"client": (each, 1)}) for each in (address, same, other)]
    assert of[0] == of[1] != of[2]


async def test_each_owner_has_a_rate_and_sees_it_in_headers(settings: Settings) -> None:
    """Each owner has a quota; answers say how much is left, and the surplus is a problem with
    Retry-After.
    """
    async with (
        started(settings.model_copy(update={"rate_limit_per_owner": "2/hour"})) as app,
        client_of(app) as client,
    ):
        alice, bob = User(client, "alice"), User(client, "bob")
        first, second, third = [await alice.call("GET") for _ in range(3)]
        assert [response.status_code for response in (first, second, third)] == [200, 200, 429]
        assert first.headers["RateLimit-Policy"] == '"owner";q=2;w=3600'
        assert (first.headers["RateLimit"], third.headers["RateLimit"]) == (
            '"owner";r=1;t=1800',
            '"owner";r=0;t=3600',
        )
        assert third.headers["Retry-After"] == "1800"
        assert third.headers["Content-Type"] == "application/problem+json"
        assert third.json()["type"] == "/problems/too-many-requests"
        assert (await bob.call("GET")).status_code == 200
        assert "RateLimit" not in (await client.get("/")).headers
        assert [
            (await client.get(path)).status_code for path in ("/livez", "/readyz", "/health")
        ] == [200] * 3


async def test_a_clients_address_is_counted_before_authentication(settings: Settings) -> None:
    """The client's address is counted before authentication, which limits guesses at tokens."""
    async with (
        started(settings.model_copy(update={"rate_limit_per_client": "2/minute"})) as app,
        client_of(app) as client,
    ):
        wrong = {"Authorization": "Bearer x"}
        responses = [await client.get("/api/v1/auth/session", headers=wrong) for _ in range(3)]
        assert [response.status_code for response in responses] == [401, 401, 429]
        assert responses[0].headers["RateLimit-Policy"] == '"client";q=2;w=60'
        assert [(await client.get("/livez")).status_code for _ in range(5)] == [200] * 5


@pytest.mark.parametrize(
    ("trusted", "statuses"), [((), [200, 429, 429]), (("127.0.0.0/8",), [200, 200, 429])]
)
async def test_forwarded_addresses_count_only_from_a_trusted_proxy(
    settings: Settings, trusted: tuple[str, ...], statuses: list[int]
) -> None:
    """X-Forwarded-For counts only from a trusted proxy, and only what that proxy itself added."""
    update = {"rate_limit_per_client": "1/minute", "trusted_proxies": trusted}
    async with started(settings.model_copy(update=update)) as app, client_of(app) as client:
        forwarded = ["192.0.2.1", "203.0.113.9, 192.0.2.2", "198.51.100.7, 192.0.2.1"]
        responses = [
            await client.get("/", headers={"X-Forwarded-For": addresses}) for addresses in forwarded
        ]
    assert [response.status_code for response in responses] == statuses


async def test_a_failing_limiter_lets_requests_pass(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure of the limiter is logged, and requests pass."""

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Limiter, "hit", fail)
    async with (
        started(settings.model_copy(update={"rate_limit_per_owner": "1/hour"})) as app,
        client_of(app) as client,
    ):
        assert [(await User(client, "alice").call("GET")).status_code for _ in range(3)] == [
            200
        ] * 3
    assert "failed; the request passes" in caplog.text


async def test_without_a_setting_nothing_is_limited(alice: User) -> None:
    """Without a setting nothing is counted and nothing is said."""
    assert "RateLimit" not in (await alice.call("GET")).headers
