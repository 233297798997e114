"""Traces by OpenTelemetry: a span for each request, with children for each wait for a connection
and each statement.

OpenTelemetry is an extra (`task-service[otel]`), imported only if the environment asks for traces.
Its SDK reads the standard OTEL_* variables itself: exporters, endpoints, sampler, resource, limits.
Attributes follow the semantic conventions for HTTP and databases, without paths, which have user
ids, and without SQL, as statements have names.
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import AsyncIterator
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from ..settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

    from .spans import Traces

log = logging.getLogger("service")

LAST_SPANS = 2.0
"""Seconds that a process waits at its end to export its last spans."""


def wanted() -> bool:
    """Return whether the environment asks for traces."""
    if (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    ):
        return False
    asking = (
        "OTEL_TRACES_EXPORTER",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    )
    return any(os.environ.get(name) for name in asking)


def exporters() -> list["SpanExporter"]:
    """Return the exporters in OTEL_TRACES_EXPORTER. Raises SettingsError if one is missing."""
    names = [name.strip() for name in (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp").split(",")]
    found = {entry.name: entry for entry in entry_points(group="opentelemetry_traces_exporter")}
    # `otlp` alone is the entry point of gRPC; the extra installs HTTP.
    names = ["otlp_proto_http" if name == "otlp" and name not in found else name for name in names]
    if missing := [name for name in names if name not in found]:
        raise SettingsError(
            f"OTEL_TRACES_EXPORTER: no such exporter is installed: {', '.join(missing)}"
        )
    return [found[name].load()() for name in names]


@contextlib.asynccontextmanager
async def tracing(version: str) -> AsyncIterator["Traces | None"]:
    """Yield Traces, exported in the background for the `async with` block; None if they are off.

    Raises SettingsError for unusable settings.
    """
    if not wanted():
        yield None
        return
    try:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra

        from .spans import Traces  # noqa: PLC0415 - an extra
    except ImportError:
        log.warning(
            "OTEL_* variables ask for traces, but OpenTelemetry is not installed: no traces"
        )
        yield None
        return
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    resource = Resource.create(
        {"service.version": version} | ({} if named else {"service.name": "task-service"})
    )
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in exporters():
        provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Traces(provider.get_tracer("task-service", version))
    finally:
        await _shut_down(provider)


async def _shut_down(provider: "TracerProvider") -> None:
    """Export the remaining spans; give up on a collector that does not answer."""
    thread = threading.Thread(target=provider.shutdown, daemon=True)
    thread.start()
    deadline = time.monotonic() + LAST_SPANS
    # A thread has no event to await.
    while thread.is_alive() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
