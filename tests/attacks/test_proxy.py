"""The example of a proxy in front: it starts unchanged, and passes requests on unambiguously."""

import subprocess
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest

from service.auth.tokens import sign
from tests.attacks.conftest import BOB_TITLE, Target
from tests.attacks.framing import REFUSED
from tests.attacks.judge import request
from tests.commands import running
from tests.conftest import SECRET, cloned
from tests.proxies.running import free_port
from tests.replicas import CONFIGURATION, wait_for


@pytest.fixture(scope="module")
def proxied(
    server_dsn: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """The service behind HAProxy, which it trusts."""
    with (
        cloned(server_dsn, template) as database,
        running(
            "serve",
            cwd=tmp_path_factory.mktemp("proxied"),
            DATABASE_URL=database,
            JWT_SECRET=SECRET,
            TRUSTED_PROXIES="127.0.0.1",
            RATE_LIMIT_PER_CLIENT="1000/hour",
        ) as run,
    ):
        port, url = free_port(), run.client.base_url
        settings = {
            "BIND": f"127.0.0.1:{port}",
            "SERVICE": f"{url.host}:{url.port}",
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        checked = subprocess.run(
            ["haproxy", "-c", "-f", CONFIGURATION],
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr
        assert "[WARNING]" not in checked.stderr
        process = subprocess.Popen(
            ["haproxy", "-db", "-f", CONFIGURATION], env=settings, stderr=subprocess.DEVNULL
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
                wait_for(client, process)
                proxied = Target(
                    run, {name: sign(SECRET, name, ttl=3600) for name in ("alice", "bob")}
                )
                made = client.post(
                    "/api/v1/users/bob/tasks",
                    json={"title": BOB_TITLE},
                    headers={"Authorization": f"Bearer {proxied.tokens['bob']}"},
                )
                assert made.status_code == 201
            proxied.run = SimpleNamespace(client=client, process=run.process, lines=run.lines)  # type: ignore[assignment]
            yield proxied
        finally:
            process.terminate()
            process.wait(timeout=10)


def test_a_client_cannot_choose_the_address_it_is_counted_under(proxied: Target) -> None:
    """Whatever a client says about its address, its requests are counted together."""
    remaining = []
    for claimed in (b"192.0.2.1", b"192.0.2.2", b"127.0.0.1"):
        answer = proxied.send(
            request(
                proxied,
                headers=b"X-Forwarded-For: " + claimed + b"\nForwarded: for=" + claimed,
                last=True,
            )
        )
        assert answer.statuses == [200]
        [field] = [
            line for line in answer.raw.split(b"\r\n") if line.lower().startswith(b"ratelimit: ")
        ]
        remaining.append(int(field.split(b"r=")[1].split(b";")[0]))
    assert remaining == [remaining[0], remaining[0] - 1, remaining[0] - 2]


# The proxy speaks HTTP/2 itself.
@pytest.mark.parametrize("row", [row for row in REFUSED if row != "HTTP/2's preface"])
def test_a_refused_request_smuggles_nothing_through_the_proxy(proxied: Target, row: str) -> None:
    """Through the proxy too, a request that the service refuses gets one answer at most, and never
    bob's tasks.
    """
    answer = proxied.send(REFUSED[row][1], patience=0.5)
    assert len(answer.statuses) <= 1
    assert all(status < 500 for status in answer.statuses)
    assert BOB_TITLE.encode() not in answer.raw


def test_the_proxy_refuses_a_body_that_is_too_large(proxied: Target) -> None:
    """The proxy refuses a body larger than any task."""
    answer = proxied.send(request(proxied, "POST", body=b" " * 70_000, last=True))
    assert answer.statuses == [413]
