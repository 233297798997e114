"""Behind a proxy that adds a path prefix and compresses responses."""

from collections.abc import Iterator
from urllib.parse import quote, urljoin
from uuid import uuid4

import httpx
import pytest

from service.auth.tokens import sign
from service.web.addresses import Networks
from tests.commands import running
from tests.conftest import SECRET, cloned
from tests.proxies.running import haproxy, nginx

ALICE = "spiffe://example.org/alice"
PREFIX = "/todo"
HOME = f"{PREFIX}/api/v1/users/{quote(ALICE, safe='')}"


@pytest.fixture(scope="module")
def service(
    server_dsn: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where a service listens that knows of both proxies."""
    with (
        cloned(server_dsn, template) as database,
        running(
            "serve",
            cwd=tmp_path_factory.mktemp("behind"),
            DATABASE_URL=database,
            JWT_SECRET=SECRET,
            TRUSTED_PROXIES="127.0.0.1",
            ROOT_PATH=PREFIX,
        ) as run,
    ):
        yield f"{run.client.base_url.host}:{run.client.base_url.port}"


@pytest.fixture(scope="module", params=[haproxy, nginx], ids=["haproxy", "nginx"])
def client(
    request: pytest.FixtureRequest, service: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of the proxy's, who compresses as it may."""
    headers = {"Authorization": f"Bearer {sign(SECRET, ALICE, ttl=600)}"}
    with (
        request.param(service, tmp_path_factory.mktemp("proxy")) as url,
        httpx.Client(base_url=url, headers=headers) as client,
    ):
        yield client


def create(client: httpx.Client) -> httpx.Response:
    made = client.post(f"{HOME}/tasks", json={"title": "Buy milk", "description": "a" * 2000})
    assert made.status_code == 201, made.text
    return made


def test_a_tag_that_the_proxy_weakened_matches_for_if_match(client: httpx.Client) -> None:
    """The proxy weakens the tag of what it compresses; for If-Match it equals the service's own,
    and a stale one is stale.
    """
    task = client.get(create(client).headers["Location"])
    assert task.headers["Content-Encoding"] == "gzip"
    assert task.headers["ETag"] == 'W/"1"'
    known = {"If-None-Match": task.headers["ETag"]}
    assert client.get(task.request.url, headers=known).status_code == 304
    given = {"If-Match": task.headers["ETag"]}
    changed = client.patch(task.request.url, json={"title": "b"}, headers=given)
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    stale = client.patch(task.request.url, json={"title": "c"}, headers=given)
    assert stale.status_code == 412
    given = {"If-Match": changed.headers["ETag"]}
    assert client.delete(task.request.url, headers=given).status_code == 204


def test_links_have_the_proxys_prefix(client: httpx.Client) -> None:
    """`Location`, `Link`, the front door's links, a problem's type, the contract's server and what
    the pages load are below the prefix, and can be called as they are.
    """
    made = [create(client), create(client)]
    for each in made:
        assert each.headers["Location"].startswith(f"{HOME}/tasks/")
        assert client.get(each.headers["Location"]).json() == each.json()
    page = client.get(f"{HOME}/tasks", params={"limit": 1})
    for link in page.headers["Link"].split(", "):
        assert client.get(link[1:].partition(">")[0]).status_code == 200
    for link in client.get(f"{PREFIX}/").json()["links"].values():
        assert client.get(link).status_code == 200
    problem = client.get(f"{HOME}/tasks/{uuid4()}").json()
    assert problem["type"] == f"{PREFIX}/problems/not-found"
    text = client.get(problem["type"], headers={"Accept": "text/html"}).text
    assert f'href="{PREFIX}/docs/problem.css"' in text
    contract = client.get(f"{PREFIX}/openapi.json").json()
    assert [server["url"] for server in contract["servers"]] == [PREFIX]


def test_the_docs_page_loads_below_the_prefix(client: httpx.Client) -> None:
    """All that the page of the contract loads is found below the prefix."""
    page = client.get(f"{PREFIX}/docs")
    loaded = [part.partition('"')[0] for part in page.text.split('="') if "docs/" in part[:40]]
    assert len(loaded) == 4
    for path in [*loaded, "openapi.json"]:
        assert client.get(urljoin(str(page.url), path)).status_code == 200


def test_a_trusted_proxys_prefix_must_be_a_path(service: str) -> None:
    """A trusted proxy's prefix counts if it is a path of this host; otherwise ROOT_PATH does."""
    for given, seen in {
        "/other": "/other",
        "/other/": "/other",
        "/": "",
        "//evil.example": PREFIX,
        "https://evil.example": PREFIX,
        '/a"b': PREFIX,
        "/" + "a" * 300: PREFIX,
    }.items():
        answer = httpx.get(f"http://{service}/nowhere", headers={"X-Forwarded-Prefix": given})
        assert answer.json()["type"] == f"{seen}/problems/not-found"


def test_an_address_matches_its_network_in_either_notation() -> None:
    """An address is of a network in either notation; what is no address is of none."""
    networks = Networks(["10.0.0.0/8", "127.0.0.1", "fd00::/8"])
    for address in ("10.1.2.3", "127.0.0.1", "fd00::1", "::ffff:10.1.2.3", "::ffff:127.0.0.1"):
        assert address in networks
    for address in ("11.1.2.3", "127.0.0.2", "fe80::1", "::ffff:11.1.2.3", "", "testclient"):
        assert address not in networks
