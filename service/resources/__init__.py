"""What clients see: one module a resource, its models beside its handlers."""

from starlette.requests import Request

from ..db.queries import Queries


def queries_of(request: Request) -> Queries:
    """The way to the database, as the application opened it."""
    queries: Queries = request.app.state.queries
    return queries
