"""What clients see: one module a resource, its models beside its handlers."""

from ..db.queries import Queries
from ..web.exchange import Exchange


def queries_of(request: Exchange) -> Queries:
    """The way to the database, as the application opened it."""
    queries: Queries = request.app.state.queries
    return queries
