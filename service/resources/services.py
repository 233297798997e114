"""What handlers work with beside the request."""

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
    """What an application has once, for all requests."""

    queries: Queries
    """The way to the database."""
    cursors: Cursors
    """Makes and reads tokens that say where to go on."""
    quotas: Quotas
    """What each owner may have."""
    hub: Hub
    """The open streams of changes."""
    keys_at_work: AtWork
    """Idempotency keys of the requests that are being carried out."""
    large_bodies: LargeBodies
    """The large bodies of the requests that are being carried out."""
    readiness: Readiness
    """Whether traffic may come."""
    contract: Callable[[str], Document]
    """Makes the OpenAPI document of the paths below a prefix."""


def services_of(request: Exchange) -> Services:
    """Return those of the application that handles the request."""
    services: Services = request.scope["app"].services
    return services
