"""Serve the metrics to Prometheus on a port of their own."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import MetricsHandler
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from ..settings import Settings, SettingsError
from .metrics import FAMILIES, Family, Labels, Measured, Metrics, Snapshot, Value
from .side_port import Bounded, listening
from .worker_metrics import FOLDER, worker_files, written_to


class Exposition(Collector):
    """The client library's collector of snapshots."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Yield every family that has values."""
        for name, values in self._snapshot().items():
            yield _metric(name, FAMILIES[name], values.items())


def _metric(name: str, family: Family, values: Iterable[tuple[Labels, Value]]) -> Metric:
    metric: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
    if family.kind == "histogram":
        metric = HistogramMetricFamily(name, family.help, labels=family.labels)
        limits = [*map(str, family.bounds), "+Inf"]
        for labels, value in values:
            assert isinstance(value, Measured)
            metric.add_metric(
                labels, list(zip(limits, accumulate(value.counts), strict=True)), value.sum
            )
        return metric
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(name, family.help, labels=family.labels)
    for labels, value in values:
        assert not isinstance(value, Measured)
        metric.add_metric(labels, value)
    return metric


def process_values() -> dict[str, dict[Labels, Value]]:
    """Return CPU time, memory and descriptors of this process; nothing without /proc."""
    samples = [
        sample for metric in ProcessCollector(registry=None).collect() for sample in metric.samples
    ]
    return {sample.name: {(): sample.value} for sample in samples if sample.name in FAMILIES}


class Scrape(Bounded, MetricsHandler):
    """A scrape, at any path."""


def scraped(host: str, port: int, snapshot: Callable[[], Snapshot]) -> AbstractContextManager[None]:
    """Answer scrapes for the `with` block. Raises SettingsError: see `listening`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Exposition(snapshot))
    handler = type("Scrape", (Scrape,), {"registry": registry})
    return listening("METRICS_PORT", host, port, handler, "metrics")


@contextlib.contextmanager
def exposed_for_all(settings: Settings) -> Iterator[None]:
    """Answer scrapes for several workers started in the block; a single one does it itself.

    Raises SettingsError if the port, or a folder for the workers' files, is not available.
    """
    if settings.metrics_port is None or settings.workers == 1:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            shared = stack.enter_context(worker_files())
        except OSError as error:
            raise SettingsError(
                "METRICS_PORT: several workers need a place for files, such as /tmp:"
                f" {error.strerror}"
            ) from None
        stack.enter_context(scraped(settings.host, settings.metrics_port, shared.snapshot))
        yield


@contextlib.asynccontextmanager
async def exposed(settings: Settings, metrics: Metrics | None) -> AsyncIterator[None]:
    """Publish this process's metrics for the `async with` block: on its own port, or through its
    parent process.
    """
    if metrics is None or settings.metrics_port is None:
        yield
    elif folder := os.environ.get(FOLDER):
        async with written_to(Path(folder), metrics.snapshot):
            yield
    else:
        with scraped(settings.host, settings.metrics_port, metrics.snapshot):
            yield
