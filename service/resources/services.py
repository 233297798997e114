"""The services that handlers use, beside the request."""

from collections.abc import Callable
from dataclasses import dataclass

from ..db.queries import Queries
from ..web.cursors import Cursors
from ..web.documents import Document
from ..web.exchange import Exchange
from ..web.hub import Hub
from ..web.idempotency import AtWork
from ..web.large_bodies import LargeBodies
from .quotas import Quotas
from .readiness import Readiness


@dataclass(slots=True)
class Services:
    """The objects of an application that all requests share."""

    queries: Queries
    """Runs statements."""
    cursors: Cursors
    """Signs and verifies cursors and sync tokens."""
    quotas: Quotas
    """The quotas of each owner."""
    hub: Hub
    """The open streams of changes."""
    keys_at_work: AtWork
    """The Idempotency-Keys of requests in progress."""
    large_bodies: LargeBodies
    """The large bodies of the requests that are being carried out."""
    readiness: Readiness
    """Whether traffic may come."""
    contract: Callable[[str], Document]
    """Makes the OpenAPI document for a path prefix."""


def services_of(request: Exchange) -> Services:
    """Return the services of the request's application."""
    services: Services = request.scope["app"].services
    return services
