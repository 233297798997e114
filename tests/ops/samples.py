"""Metrics as Prometheus reads them."""

import re
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

SCRAPED = re.compile(r"metrics on (http://\S+)")

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """Every sample by its name and its labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """One sample, 0 where there is none."""
    return samples.get((f"task_service_{name}", frozenset(labels.items())), 0.0)


LIST = "/api/v1/users/{user_id}/tasks"
