"""Static documents: validators, with a compressed form."""

import gzip
from importlib.metadata import PackageNotFoundError
from typing import NoReturn

import httpx
import pytest

from service.contract import docs_page
from tests.dispatching import exchange_of

PATHS = [
    "/openapi.json",
    "/docs",
    "/docs/docs.js",
    "/docs/swagger-ui-bundle.js",
    "/problems",
    "/problems/invalid",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_current_copy_of_a_document_is_304(client: httpx.AsyncClient, path: str) -> None:
    """A client that has the document gets 304, in either form, and HEAD has the headers of GET."""
    tags = set()
    for encoding in ("identity", "gzip"):
        headers = {"Accept-Encoding": encoding}
        full = await client.get(path, headers=headers)
        assert full.status_code == 200
        assert full.headers.get("Content-Encoding", "identity") == encoding
        assert full.headers["Cache-Control"] == "no-cache"
        assert {"Accept-Encoding", "Origin"} <= set(full.headers["Vary"].split(", "))
        tag = full.headers["ETag"]
        tags.add(tag)
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = await client.get(path, headers={**headers, "If-None-Match": known})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        for unknown in ('"other"', tag.strip('"'), ""):
            again = await client.get(path, headers={**headers, "If-None-Match": unknown})
            assert again.status_code == 200
        head = await client.head(path, headers=headers)
        assert (head.status_code, head.headers["ETag"]) == (200, tag)
    assert len(tags) == 2


async def test_a_copy_in_either_coding_is_current(client: httpx.AsyncClient) -> None:
    """A client that has the compressed form is not sent the plain one, which says the same."""
    packed = await client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    tag = packed.headers["ETag"]
    plain = await client.get(
        "/openapi.json", headers={"Accept-Encoding": "identity", "If-None-Match": tag}
    )
    assert plain.status_code == 304
    assert plain.headers["ETag"] == tag.replace("-gzip", "")


@pytest.mark.parametrize("accepted", ["GZIP", "br, gzip; Q=0.001", "identity;q=0, gzip ;q=1.0"])
async def test_clients_that_accept_gzip_get_it(client: httpx.AsyncClient, accepted: str) -> None:
    """The compressed form is sent if the coding has a weight above 0, in any case."""
    response = await client.get("/openapi.json", headers={"Accept-Encoding": accepted})
    assert response.headers["Content-Encoding"] == "gzip"


async def test_gzip_unpacks_to_the_plain_form(client: httpx.AsyncClient) -> None:
    """Unpacked, the compressed form is the plain one."""
    plain = await client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    async with client.stream(
        "GET", "/openapi.json", headers={"Accept-Encoding": "br, gzip;q=0.5"}
    ) as response:
        packed = b"".join([chunk async for chunk in response.aiter_raw()])
    assert gzip.decompress(packed) == plain.content


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.0", "identity", "x-gzip2"])
async def test_clients_that_do_not_accept_gzip_get_the_plain_form(
    client: httpx.AsyncClient, accepted: str
) -> None:
    """The compressed form goes only to those who take it."""
    response = await client.get("/openapi.json", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in response.headers
    assert response.json()["openapi"] == "3.1.0"


async def test_without_swagger_ui_its_files_are_404(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Swagger UI is not installed its files are not found; the page and its own are."""

    def missing(name: str) -> NoReturn:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(docs_page, "distribution", missing)
    docs_page.asset.cache_clear()
    assert (await client.get("/docs/swagger-ui-bundle.js")).status_code == 404
    assert (await client.get("/docs/docs.js")).status_code == 200
    assert (await client.get("/docs")).status_code == 200


def test_a_document_is_served_without_a_copy() -> None:
    """However often it is asked for, its bytes are the same ones: a view, which the server does
    not copy.
    """
    page = docs_page.asset("swagger-ui-bundle.js")
    bodies = [page.answer(exchange_of()).body for _ in range(2)]
    [one, other] = [body.obj for body in bodies if isinstance(body, memoryview)]
    assert one is other
