"""What `dev` has of its own: a secret and a database that stay from run to run, and a tour to try
it.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..auth.tokens import issue
from ..settings import Settings
from . import postgres

LOCAL = Path(".local")
"""Where `dev` keeps its database and its secret."""


@contextlib.contextmanager
def prepared() -> Iterator[None]:
    """The environment completed with what is not set: readable logs, a quick end, a secret, a
    PostgreSQL of our own.

    That runs as long as the block. Raises LocalPostgresError.
    """
    os.environ.setdefault("LOG_FORMAT", "text")
    os.environ.setdefault("DRAIN_SECONDS", "0")
    LOCAL.mkdir(mode=0o755, exist_ok=True)
    _ensure_secret()
    with _ensure_database():
        yield


def _ensure_secret() -> None:
    """Tokens stay valid from run to run: the secret is made once."""
    sources = ("BETTER_AUTH_SECRET", "JWT_SECRET", "JWKS_URL")
    if any(os.environ.get(name) or os.environ.get(f"{name}_FILE") for name in sources):
        return
    path = LOCAL / "secret"
    with (
        contextlib.suppress(FileExistsError),
        open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file,
    ):
        file.write(secrets.token_urlsafe(48))
    os.environ["BETTER_AUTH_SECRET_FILE"] = str(path)


@contextlib.contextmanager
def _ensure_database() -> Iterator[None]:
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        yield
        return
    with postgres.running(LOCAL / "postgres") as server:
        os.environ["DATABASE_URL"] = server.dsn
        yield


def tour(settings: Settings) -> str:
    """Commands to paste for a first task and a look at it; nothing when only an issuer can make
    tokens.
    """
    if settings.secret is None:
        return ""
    address = f"http://{settings.host}:{settings.port}"
    token = issue(settings, "alice", ttl=24 * 3600)
    read_them = f"curl -s {address}/api/v1/users/alice/tasks -H 'Authorization: Bearer {token}'"
    make_one = f"""{read_them} -H 'Content-Type: application/json' -d '{{"title": "Buy milk"}}'"""
    return (
        f"\nAlice's first task:\n\n{make_one}\n\nher list:\n\n{read_them}\n\nall of it, to read and"
        f" try:\n\n{address}/docs\n"
    )
