"""Metrics: what is counted, under which labels, and how it is read."""

import asyncio
import contextlib
import re
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from service.app import routes
from service.auth.tokens import sign
from service.ops import exposition, side_port
from service.ops.metrics import FAMILIES, REQUEST_SECONDS, Histogram, Metrics
from service.settings import Settings, SettingsError
from tests.commands import running
from tests.conftest import SECRET, User, client_of, started
from tests.ops.samples import LIST, SCRAPED, Samples, parsed, value


def promtool(text: str, *arguments: str) -> tuple[int, str]:
    """Promtool's exit status and all that it says, with the text as its standard input."""
    done = subprocess.run(
        ["promtool", *arguments], input=text, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@dataclass
class Service:
    """The application with its metrics on a port."""

    client: httpx.AsyncClient
    url: str

    @property
    def alice(self) -> User:
        return User(self.client, "alice")

    async def scrape(self) -> str:
        """The metrics as Prometheus reads them."""
        async with httpx.AsyncClient() as client:
            response = await client.get(self.url)
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        return response.text

    async def samples(self) -> Samples:
        return parsed(await self.scrape())


@pytest.fixture
async def service(settings: Settings, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Service]:
    settings = settings.model_copy(
        update={"metrics_port": 0, "max_in_flight": 4, "rate_limit_per_client": "1000/minute"}
    )
    async with started(settings) as app, client_of(app) as client:
        found = next(
            filter(None, (SCRAPED.search(record.getMessage()) for record in caplog.records))
        )
        yield Service(client, found[1])


async def test_requests_are_counted_and_timed_by_route(service: Service) -> None:
    """Requests are counted by method, route and status, and timed by method and route."""
    await service.alice.create()
    await service.alice.tasks()
    await service.client.get("/api/v1/users/alice/tasks")
    samples = await service.samples()
    assert value(samples, "http_requests_total", method="POST", route=LIST, status="201") == 1
    assert value(samples, "http_requests_total", method="GET", route=LIST, status="200") == 1
    assert value(samples, "http_requests_total", method="GET", route=LIST, status="401") == 1
    assert value(samples, "http_request_duration_seconds_count", method="GET", route=LIST) == 2
    assert 0 < value(samples, "http_request_duration_seconds_sum", method="GET", route=LIST) < 60


async def test_statements_are_counted_by_name(service: Service) -> None:
    """Each statement is counted by name: calls, seconds, rows, and failures by class of
    SQLSTATE.
    """
    task = await service.alice.create()
    await service.alice.create()
    await service.alice.tasks()
    await service.alice.call("PUT", f"/{uuid4()}", json={"title": "\x00"})
    await service.alice.call("GET", f"/{task['id']}")
    samples = await service.samples()
    for name, calls, rows in (("tasks/create", 2, 2), ("tasks/list", 1, 2), ("tasks/get", 1, 1)):
        assert value(samples, "db_statement_seconds_count", statement=name) == calls
        assert value(samples, "db_statement_seconds_sum", statement=name) > 0
        assert value(samples, "db_statement_rows_total", statement=name) == rows
    assert value(samples, "db_acquire_seconds_count") == 4


async def test_failed_statements_are_counted_by_sqlstate_class(
    service: Service, connection: asyncpg.Connection
) -> None:
    """A statement that the server refuses is counted by its class of SQLSTATE."""
    await connection.execute("ALTER TABLE tasks RENAME TO elsewhere")
    assert (await service.alice.call("GET")).status_code == 500
    samples = await service.samples()
    assert value(samples, "db_statement_errors_total", statement="tasks/list", sqlstate="42") == 1


async def test_the_pool_reports_connections_and_waiters(service: Service) -> None:
    """The pool reports its open, idle and used connections, its limit, and the waiting callers."""
    await service.alice.tasks()
    samples = await service.samples()
    assert value(samples, "db_connections", state="idle") == 1
    assert value(samples, "db_connections", state="used") == value(samples, "db_waiting") == 0
    assert value(samples, "db_connections_max") == 4


async def test_requests_are_counted_by_the_outcome_of_their_token(service: Service) -> None:
    """Requests are counted by their token's outcome."""
    brought = {
        "valid": [f"Bearer {sign(SECRET, 'alice', ttl=60)}"],
        "expired": [f"Bearer {sign(SECRET, 'alice', ttl=-60)}"],
        "invalid": ["Bearer nonsense"],
        "none": ["Basic YTpi"],
        "repeated": ["Bearer a", "Bearer b"],
    }
    for authorization in brought.values():
        await service.client.get(
            "/api/v1/auth/session", headers=[("Authorization", text) for text in authorization]
        )
    samples = await service.samples()
    assert {
        outcome: value(samples, "tokens_total", outcome=outcome, reason=reason)
        for outcome, reason in zip(brought, ("", "expired", "form", "", ""), strict=True)
    } == dict.fromkeys(brought, 1)


async def test_requests_in_progress_and_refusals_are_counted(service: Service) -> None:
    """Requests that are refused for lack of room are counted by reason, and those in progress are a
    gauge.
    """
    answers = await asyncio.gather(*(service.alice.call("GET") for _ in range(6)))
    refused = [answer.status_code for answer in answers].count(429)
    samples = await service.samples()
    assert refused > 0
    assert value(samples, "http_requests_turned_away_total", reason="share") == refused
    assert value(samples, "http_requests_in_flight") == 0


async def test_refusals_are_counted_by_their_rate_limit(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """What a rate limit refuses is counted by the limit's name."""
    settings = settings.model_copy(update={"metrics_port": 0, "rate_limit_per_owner": "1/hour"})
    async with started(settings) as app, client_of(app) as client:
        found = next(
            filter(None, (SCRAPED.search(record.getMessage()) for record in caplog.records))
        )
        for _ in range(3):
            await User(client, "alice").call("GET")
        samples = await Service(client, found[1]).samples()
    assert value(samples, "http_requests_turned_away_total", reason="rate-owner") == 2


async def test_nothing_that_clients_send_becomes_a_label(service: Service) -> None:
    """No path, id, method or token that clients send becomes a label."""
    known = {route.path for route in routes()}
    for number in range(20):
        await service.client.request(f"BREW{number}", f"/nowhere/{number}")
        await User(service.client, f"user{number}").call("GET", f"/{uuid4()}")
    text = await service.scrape()
    assert set(re.findall(r'route="([^"]*)"', text)) <= known | {"unrouted"}
    assert set(re.findall(r'method="([^"]*)"', text)) == {"GET", "other"}
    assert "user1" not in text
    assert "nowhere" not in text


async def test_promtool_accepts_names_types_and_help(service: Service) -> None:
    """Promtool accepts names, types and help texts of all families."""
    await service.alice.create()
    text = await service.scrape()
    assert await asyncio.to_thread(promtool, text, "check", "metrics") == (0, "")


async def test_every_family_is_exposed(service: Service) -> None:
    """All declared families are exposed, except those without values yet."""
    await service.alice.tasks()
    text = await service.scrape()
    told = set(re.findall(r"^# TYPE (\S+)", text, flags=re.MULTILINE))
    assert told == set(FAMILIES)


async def test_without_metrics_port_nothing_is_counted(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Without METRICS_PORT nothing listens and nothing is counted."""
    async with started(settings) as app, client_of(app) as client:
        await client.get("/")
    assert not any(SCRAPED.search(record.getMessage()) for record in caplog.records)


async def test_metrics_are_not_on_the_services_port(service: Service) -> None:
    """Clients cannot read the metrics."""
    assert (await service.client.get("/metrics")).status_code == 404


async def test_a_metrics_port_in_use_ends_the_start(settings: Settings) -> None:
    """A port that is taken ends the start with a message that names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            SettingsError,
            match=f"METRICS_PORT: cannot listen on 127.0.0.1:{port}: Address already in use",
        ):
            async with started(settings.model_copy(update={"metrics_port": port})):
                pass


def test_slow_scrapers_delay_neither_others_nor_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Scrapers who say nothing, or a byte now and then, hold up neither others nor the end."""
    monkeypatch.setattr(side_port, "PATIENCE", 0.3)
    caplog.set_level("INFO", "service")
    with exposition.scraped("127.0.0.1", 0, Metrics().snapshot):
        url = next(
            filter(None, (SCRAPED.search(record.getMessage()) for record in caplog.records))
        )[1]
        host, port = httpx.URL(url).host, httpx.URL(url).port
        assert port is not None
        with socket.create_connection((host, port)) as silent, contextlib.suppress(OSError):
            assert httpx.get(url).status_code == 200
            while True:  # until the connection is ended, whatever comes
                silent.sendall(b"G")
                silent.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    if silent.recv(1) == b"":
                        break


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (10.0, 12), (10.1, 13), (1e9, 13)]
)
def test_a_value_on_a_bound_belongs_to_its_bucket(seconds: float, bucket: int) -> None:
    """A value on a bound is in the bucket that the bound ends; one beyond all bounds is in the
    last.
    """
    histogram = Histogram(REQUEST_SECONDS)
    histogram.observe(seconds)
    counts, total = histogram.measured()
    assert counts.index(1) == bucket
    assert (sum(counts), total) == (1, seconds)


def test_malformed_requests_are_counted_by_status(tmp_path: Path, database: str) -> None:
    """Bytes that are refused before they are a request are counted by status."""
    with running(
        "serve",
        cwd=tmp_path,
        DATABASE_URL=database,
        JWT_SECRET=SECRET,
        METRICS_PORT="0",
        LOG_FORMAT="text",
    ) as run:
        url = next(found[1] for line in run.lines if (found := SCRAPED.search(line)))
        port = run.client.base_url.port
        assert port is not None
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        assert value(parsed(httpx.get(url).text), "http_refused_total", status="400") == 1
