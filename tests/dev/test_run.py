"""The defaults that `dev` sets, and the commands that it prints."""

from pathlib import Path

import pytest

from service.dev import run
from service.environment import read
from service.settings import Settings, TokenSettings

URL = "postgresql://localhost/tasks"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({}, "BETTER_AUTH_SECRET"),
        ({"JWKS_URL": "http://localhost:3000/api/auth/jwks"}, "CURSOR_SECRET"),
        ({"JWT_SECRET": "j" * 32}, None),
        ({"JWKS_URL": "https://a.example/", "CURSOR_SECRET": "c" * 32}, None),
    ],
)
def test_a_missing_secret_is_generated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], made: str | None
) -> None:
    """Without any source of keys the tokens' secret is generated, with a key set the cursors'; a
    configured one is used.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("LOG_FORMAT", "DRAIN_SECONDS", "BETTER_AUTH_SECRET_FILE", "CURSOR_SECRET_FILE"):
        monkeypatch.setenv(name, "")
    for name, value in {"DATABASE_URL": URL, **given}.items():
        monkeypatch.setenv(name, value)
    with run.prepared():
        read(Settings)  # which refuses what is missing
    assert (tmp_path / ".local" / "secret").exists() == (made is not None)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("0.0.0.0", "http://127.0.0.1:8000/"),
        ("::", "http://[::1]:8000/"),
        ("::1", "http://[::1]:8000/"),
        ("tasks.example", "http://tasks.example:8000/"),
    ],
)
@pytest.mark.parametrize("secret", [True, False])
def test_the_tours_addresses_work(host: str, address: str, *, secret: bool) -> None:
    """The printed addresses work on this machine, whichever address the service listens on."""
    keys = (
        {"jwt_secret": "j" * 32}
        if secret
        else {"jwks_url": "https://a.example/", "cursor_secret": "c" * 32}
    )
    settings = Settings.model_validate({"database_url": URL, "host": host, **keys})
    assert TokenSettings.model_validate(keys).secret == settings.secret
    tour = run.tour(settings)
    assert tour.count(address) == tour.count("http://") == (3 if secret else 1)
