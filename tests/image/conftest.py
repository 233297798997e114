"""The image, built twice from the repository, and a folder to run it."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import __version__
from tests.image.engine import Container, Engine, Image

ROOT = Path(__file__).parents[2]
CANARY = "canary-7d1c5b0e-must-not-ship"
"""A secret, lying wherever a careless person would leave one."""
LABELS = {
    "VERSION": __version__,
    "REVISION": "0123456789abcdef0123456789abcdef01234567",
    "CREATED": "2026-01-02T03:04:05+00:00",
    "SOURCE": "https://git.example/task-service",
}
TIMESTAMP = 1767323045  # CREATED, as the seconds that buildah wants


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    yield Engine(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of a developer, with secrets and other files that must not ship."""
    folder = tmp_path_factory.mktemp("context") / "repository"
    shutil.copytree(
        ROOT,
        folder,
        ignore=shutil.ignore_patterns(
            ".git", ".venv*", ".local", ".*_cache", ".hypothesis", "node_modules"
        ),
    )
    for name in (
        ".env",
        ".local/secret",
        "secret.pem",
        "service/.env",
        "service/secret.pem",
        "sql/.env",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"BETTER_AUTH_SECRET={CANARY}\n")
    return folder


@pytest.fixture(scope="session")
def built(engine: Engine, context: Path) -> tuple[Image, float]:
    """The image, and how many seconds its build took."""
    began = time.monotonic()
    return engine.build(
        context, "localhost/task-service:first", TIMESTAMP, **LABELS
    ), time.monotonic() - began


@pytest.fixture(scope="session")
def image(built: tuple[Image, float]) -> Image:
    return built[0]


@pytest.fixture(scope="session")
def container(image: Image) -> Iterator[Container]:
    with image.container() as container:
        yield container
