"""Two replicas behind a proxy, replaced one after the other."""

import asyncio
import contextlib
import signal
from pathlib import Path

import httpx

from tests.commands import ROOT, Running, running
from tests.conftest import SECRET, as_service
from tests.proxies.running import free_port
from tests.replicas import both_up, ended, proxy


class Fleet:
    """Two replicas behind a proxy, by the build that each runs."""

    def __init__(
        self, stack: contextlib.ExitStack, folder: Path, database: str, **settings: str
    ) -> None:
        self._stack, self._folder, self._database = stack, folder, database
        self._settings = settings
        self._ports = [str(free_port()), str(free_port())]
        self._replicas = [self._started(port, ROOT) for port in self._ports]
        self.url = stack.enter_context(proxy(folder, [f"127.0.0.1:{port}" for port in self._ports]))

    def _started(self, port: str, build: Path) -> Running:
        settings = {
            "DATABASE_URL": as_service(self._database),
            "JWT_SECRET": SECRET,
            "PORT": port,
            "DRAIN_SECONDS": "1.5",
            **self._settings,
        }
        return self._stack.enter_context(
            running("serve", cwd=self._folder, PYTHONPATH=str(build), **settings)
        )

    async def roll(self, build: Path) -> None:
        """Replace one replica after the other, each when the one before serves."""
        for number, port in enumerate(self._ports):
            self._replicas[number].process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(ended, self._replicas[number]) == 0
            self._replicas[number] = await asyncio.to_thread(self._started, port, build)
            await asyncio.to_thread(both_up, self._folder)

    async def versions(self) -> set[str]:
        """The builds that answer through the proxy."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            contracts = [await client.get("/openapi.json") for _ in range(10)]
        return {contract.json()["info"]["version"] for contract in contracts}
