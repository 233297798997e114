"""The application: every route on one page, the layers around them, and what lives as long as the process."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .auth.tokens import Verifier
from .db import SQL
from .db.errors import FAULTS, QueryFailed
from .db.pool import pool_of, warm
from .db.queries import Queries
from .db.statements import load
from .ops.logs import AccessLog, configure
from .resources import changes, health, problems, session, tasks
from .settings import Settings, read
from .web.cursors import Cursors
from .web.edge import Cors, Guard, RequestId
from .web.problems import Problem, on_failed_query, on_http_exception, on_problem

log = logging.getLogger("service")

CLOSE_TIMEOUT = 5.0
"""Seconds for connections to finish what they do when the process ends."""

Handler = Callable[[Request], Awaitable[Response]]


def routes() -> list[Route]:
    """Every path and what answers it."""
    return [
        _route("/api/v1/users/{user_id}/tasks", GET=tasks.list_tasks, POST=tasks.create_task),
        _route(
            "/api/v1/users/{user_id}/tasks/{task_id}",
            GET=tasks.get_task,
            PUT=tasks.put_task,
            PATCH=tasks.patch_task,
            DELETE=tasks.delete_task,
        ),
        _route("/api/v1/users/{user_id}/changes", GET=changes.list_changes),
        _route("/api/v1/auth/session", GET=session.get_session),
        _route("/", GET=health.get_root),
        _route("/health", GET=health.get_health),
        _route("/livez", GET=health.get_livez),
        _route("/readyz", GET=health.get_readyz),
        _route("/problems/{slug}", GET=problems.get_problem),
    ]


def application() -> Starlette:
    """What a worker process runs: the application and its logs, as the environment says."""
    settings = read(Settings)
    configure(settings)
    return create_app(settings)


def create_app(settings: Settings) -> Starlette:
    """The service as an ASGI application. Raises StatementsError when a statement file is not sound."""
    statements = load(SQL)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        pool = pool_of(settings)
        await pool
        app.state.queries = Queries(statements, pool, settings.db_acquire_timeout)
        try:
            await warm(pool, settings.db_pool_min, settings.db_acquire_timeout)
        except FAULTS as error:
            log.warning("the database is away (%s); not ready until it answers", type(error).__name__)
        try:
            yield
        finally:
            await _close(pool)

    app = Starlette(
        routes=routes(),
        lifespan=lifespan,
        exception_handlers={
            Problem: on_problem,
            QueryFailed: on_failed_query,
            HTTPException: on_http_exception,
        },
        middleware=[
            Middleware(RequestId),
            Middleware(AccessLog),
            Middleware(
                Cors,
                allow_origins=settings.cors_origins,
                allow_credentials=True,
                allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
                allow_headers=(
                    "Authorization",
                    "Content-Type",
                    "Idempotency-Key",
                    "If-Match",
                    "If-None-Match",
                    "X-Request-Id",
                ),
                expose_headers=(
                    "ETag",
                    "Idempotency-Replayed",
                    "Location",
                    "Retry-After",
                    "WWW-Authenticate",
                    "X-Request-Id",
                ),
            ),
            Middleware(Guard, timeout=settings.request_timeout),
        ],
    )
    app.router.redirect_slashes = False
    app.state.verifier = Verifier(settings)
    app.state.cursors = Cursors(settings.secret)
    app.state.readiness = health.Readiness()
    return app


def _route(path: str, **handlers: Handler) -> Route:
    """A path and its handler for each method; HEAD is GET without the body."""

    async def endpoint(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, endpoint, methods=list(handlers))


async def _close(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await pool.close()
    except TimeoutError:
        pool.terminate()
        log.warning("connections still busy after %g s were cut", CLOSE_TIMEOUT)
