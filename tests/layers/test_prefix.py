"""The path prefix under which clients see the service, and who may set it."""

import pytest

from service.settings import Settings
from tests.conftest import client_of, started


@pytest.mark.parametrize(
    ("root_path", "proxies", "seen"),
    [
        ("", (), ""),
        ("", ("127.0.0.1",), "/said"),
        ("", ("10.0.0.0/8",), ""),
        ("/set", (), "/set"),
        ("/set", ("127.0.0.0/8",), "/said"),
        ("/set", ("10.0.0.0/8",), "/set"),
    ],
)
async def test_only_a_trusted_proxy_sets_the_prefix(
    settings: Settings, root_path: str, proxies: tuple[str, ...], seen: str
) -> None:
    """X-Forwarded-Prefix counts from a trusted proxy, whatever client it forwards; otherwise
    ROOT_PATH does.
    """
    given = settings.model_copy(update={"root_path": root_path, "trusted_proxies": proxies})
    headers = {"X-Forwarded-Prefix": "/said", "X-Forwarded-For": "192.0.2.1"}
    async with started(given) as app, client_of(app) as client:
        problem = (await client.get("/nowhere", headers=headers)).json()
        assert problem["type"] == f"{seen}/problems/not-found"
        plain = (await client.get("/nowhere")).json()
        assert plain["type"] == f"{root_path}/problems/not-found"
