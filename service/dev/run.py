"""The environment of `dev`: a secret and a database kept between runs, and commands to try."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..auth.tokens import issue
from ..settings import Settings
from ..web.addresses import authority
from . import postgres

LOCAL = Path(".local")
"""Where `dev` keeps its database and its secret."""


@contextlib.contextmanager
def prepared() -> Iterator[None]:
    """Set defaults in the environment: readable logs, a quick shutdown, a secret, a local
    PostgreSQL for the `with` block. Raises LocalPostgresError.
    """
    os.environ.setdefault("LOG_FORMAT", "text")
    os.environ.setdefault("DRAIN_SECONDS", "0")
    LOCAL.mkdir(mode=0o755, exist_ok=True)
    _ensure_secret()
    with _ensure_database():
        yield


def _ensure_secret() -> None:
    """Create the secret once, so that tokens and cursors stay valid between runs."""
    wanted = "CURSOR_SECRET" if _given("JWKS_URL") else "BETTER_AUTH_SECRET"
    if _given("BETTER_AUTH_SECRET") or _given("JWT_SECRET") or _given(wanted):
        return
    path = LOCAL / "secret"
    with (
        contextlib.suppress(FileExistsError),
        open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file,
    ):
        file.write(secrets.token_urlsafe(48))
    os.environ[f"{wanted}_FILE"] = str(path)


def _given(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


@contextlib.contextmanager
def _ensure_database() -> Iterator[None]:
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        yield
        return
    with postgres.running(LOCAL / "postgres") as server:
        os.environ["DATABASE_URL"] = server.dsn
        yield


def tour(settings: Settings) -> str:
    """Return commands that create and list a first task, if this process can sign tokens."""
    address = f"http://{authority(_reached_at(settings.host), settings.port)}"
    if settings.secret is None:
        return f"\nto read and try, with a token of the issuer's:\n\n{address}/docs\n"
    token = issue(settings, "alice", ttl=24 * 3600)
    read_them = f"curl -s {address}/api/v1/users/alice/tasks -H 'Authorization: Bearer {token}'"
    make_one = f"""{read_them} -H 'Content-Type: application/json' -d '{{"title": "Buy milk"}}'"""
    return (
        f"\nAlice's first task:\n\n{make_one}\n\nher list:\n\n{read_them}\n\nall of it, to read and"
        f" try:\n\n{address}/docs\n"
    )


def _reached_at(host: str) -> str:
    """Return a host for a URL that reaches `host` from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - to be replaced
