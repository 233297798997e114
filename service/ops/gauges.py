"""Gauges: values that are read at each scrape."""

from collections.abc import Callable, Mapping

from .. import __version__
from ..db.pool import Pool
from ..server.protocol import refused
from ..web.hub import Hub
from .exposition import process_values
from .logs import STDERR
from .metrics import Labels, Snapshot
from .observer import Observer

Gauges = Callable[[], Snapshot]


def gauges(
    observer: Observer,
    pool: Pool,
    pool_max: int,
    hub: Hub,
    key_age: Callable[[], float | None],
) -> Gauges:
    """Return the function that reads all gauges. `key_age`: seconds since the issuer's keys were
    fetched, None if they never were.
    """
    constant: Mapping[str, Mapping[Labels, float]] = {
        "task_service_build_info": {(__version__,): 1},
        "task_service_workers": {(): 1},
        "task_service_db_connections_max": {(): pool_max},
    }

    def read() -> Snapshot:
        age = key_age()
        return {
            **constant,
            "task_service_http_requests_in_flight": {(): observer.in_flight},
            "task_service_http_refused_total": {
                (str(status),): count for status, count in dict(refused).items()
            },
            "task_service_db_connections": {("idle",): pool.idle, ("used",): pool.in_use},
            "task_service_db_waiting": {(): pool.waiting},
            "task_service_streams": {(): hub.open},
            "task_service_stream_events_total": {(): hub.events},
            "task_service_streams_ended_total": {
                (reason,): count for reason, count in dict(hub.ended).items()
            },
            "task_service_key_set_age_seconds": {} if age is None else {(): age},
            "task_service_log_lines_dropped_total": {(): STDERR.dropped},
            **process_values(),
        }

    return read
