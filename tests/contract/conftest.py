"""The service as a process of its own that listens on a socket."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from tests.commands import Running, running
from tests.conftest import SECRET, administer, with_database


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
    name = f"served_{uuid4().hex}"
    administer(server_dsn, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    dsn = with_database(server_dsn, name)
    with running(
        "serve",
        cwd=tmp_path_factory.mktemp("served"),
        DATABASE_URL=dsn,
        JWT_SECRET=SECRET,
        LOG_LEVEL="info",
    ) as run:
        yield Served(run, dsn)
    administer(server_dsn, f"DROP DATABASE {name} WITH (FORCE)")
