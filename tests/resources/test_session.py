"""The session: the user of a token."""

from collections.abc import Callable

import httpx

from service.auth.tokens import sign
from tests.conftest import SECRET, User


async def test_session_with_email(client: httpx.AsyncClient) -> None:
    """The session is the token's subject and email."""
    token = sign(SECRET, "alice", ttl=60, email="alice@example.com")
    response = await client.get(
        "/api/v1/auth/session", headers={"Authorization": f"Bearer {token}"}
    )
    assert response.status_code == 200
    assert response.json() == {
        "user_id": "alice",
        "email": "alice@example.com",
        "authenticated": True,
    }


async def test_session_without_email(user: Callable[[str], User]) -> None:
    """Without an email in the token there is null."""
    response = await user("user 1").call("GET", "/api/v1/auth/session")
    assert response.json() == {"user_id": "user 1", "email": None, "authenticated": True}


async def test_no_session(client: httpx.AsyncClient) -> None:
    """Without a token there is no session."""
    response = await client.get("/api/v1/auth/session")
    assert (response.status_code, response.json()["detail"]) == (401, "Not authenticated")
