"""The service as a process of its own that listens on a socket."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.commands import Running, running
from tests.conftest import SECRET, cloned


@dataclass(frozen=True)
class Served:
    """Where the service listens, and what lies behind it."""

    run: Running
    dsn: str

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return str(self.run.client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def served(
    server_dsn: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A service with a database of the module's own."""
    with (
        cloned(server_dsn, template) as dsn,
        running(
            "serve",
            cwd=tmp_path_factory.mktemp("served"),
            DATABASE_URL=dsn,
            JWT_SECRET=SECRET,
            LOG_LEVEL="info",
        ) as run,
    ):
        yield Served(run, dsn)
