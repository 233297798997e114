"""The application: all routes, the layers around them, and the objects of the process."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Callable
from functools import lru_cache, partial

import msgspec
from starlette.applications import Starlette
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from . import __version__
from .auth.bearer import Authenticate, caller_of
from .auth.key_set import KeySet, SharedSecret
from .auth.tokens import Verifier
from .contract.endpoint import Endpoint, Routes
from .contract.openapi import document
from .contract.operation import ANSWER_HEADERS
from .db.errors import FAULTS
from .db.pool import Pool
from .db.queries import Queries
from .db.statements import shipped
from .environment import read
from .layers.admission import Admission, AllowedHosts
from .layers.browsers import UNLESS_SAID_OTHERWISE, Cors
from .layers.dispatch import Check, Dispatch
from .layers.prefix import Prefix
from .layers.rate_limit import Rate, RateLimit
from .layers.timeout import Timeout
from .ops.exposition import exposed
from .ops.gauges import gauges
from .ops.logs import configure
from .ops.metrics import Metrics
from .ops.observer import Observer
from .ops.probes import pulsing
from .ops.traces import tracing
from .resources import (
    account,
    batch,
    changes,
    complete,
    documentation,
    health,
    listing,
    problem_pages,
    session,
    stream,
    tasks,
    trash,
)
from .resources.quotas import Quotas
from .resources.readiness import Readiness
from .resources.services import Services
from .server.acceptor import Acceptor
from .server.descriptors import room_for_connections
from .server.drain import Drain
from .server.early_answers import Refusals
from .server.protocol import HttpProtocol
from .settings import Settings
from .web.addresses import Networks, network_of
from .web.cursors import Cursors
from .web.documents import Document
from .web.exchange import Exchange
from .web.hub import Hub
from .web.idempotency import AtWork
from .web.large_bodies import LargeBodies

log = logging.getLogger("service")


def routes() -> list[Endpoint]:
    """Return every path with its handlers."""
    return [
        Endpoint("/api/v1/users/{user_id}/tasks", GET=listing.list_tasks, POST=tasks.create_task),
        Endpoint("/api/v1/users/{user_id}/tasks/batch", POST=batch.batch_tasks),
        Endpoint(
            "/api/v1/users/{user_id}/tasks/{task_id}",
            GET=tasks.get_task,
            PUT=tasks.put_task,
            PATCH=tasks.patch_task,
            DELETE=tasks.delete_task,
        ),
        Endpoint("/api/v1/users/{user_id}/tasks/{task_id}/complete", POST=complete.complete_task),
        Endpoint("/api/v1/users/{user_id}/changes", GET=changes.list_changes),
        Endpoint("/api/v1/users/{user_id}/changes/stream", GET=stream.stream_changes),
        Endpoint("/api/v1/users/{user_id}/trash", GET=trash.list_trash, DELETE=trash.empty_trash),
        Endpoint("/api/v1/users/{user_id}/trash/{task_id}", DELETE=trash.erase_task),
        Endpoint("/api/v1/users/{user_id}/trash/{task_id}/restore", POST=trash.restore_task),
        Endpoint("/api/v1/users/{user_id}", DELETE=account.erase_account),
        Endpoint("/api/v1/auth/session", GET=session.get_session),
        Endpoint("/", GET=health.get_root),
        Endpoint("/health", GET=health.get_health),
        Endpoint("/livez", GET=health.get_livez),
        Endpoint("/readyz", GET=health.get_readyz),
        Endpoint("/problems", GET=problem_pages.get_problems),
        Endpoint("/problems/{slug}", GET=problem_pages.get_problem),
        Endpoint("/openapi.json", GET=documentation.get_openapi),
        Endpoint("/docs", GET=documentation.get_docs),
        Endpoint("/docs/{asset}", GET=documentation.get_docs_asset),
    ]


def openapi(prefix: str = "") -> bytes:
    """Return the OpenAPI 3.1 document of these routes, under that path prefix."""
    operations = [operation for route in routes() for operation in route.operations]
    return msgspec.json.encode(document(__version__, operations, prefix or "/"))


class Application(Starlette):
    """Starlette whose requests are handled by `requests`, without its own middleware."""

    services: Services
    refusals: Refusals
    """Handles scopes that are no HTTP requests."""
    requests: ASGIApp

    def build_middleware_stack(self) -> ASGIApp:
        """Return the replacement for Starlette's middleware."""
        return self.requests


def application() -> Application:
    """Return a worker process's application, with its logs, configured by the environment."""
    settings = read(Settings)
    configure(settings)
    room = room_for_connections(settings.db_pool_max)
    HttpProtocol.max_connections, Acceptor.most_waiting = room
    app = create_app(settings)
    HttpProtocol.refusals = app.refusals

    def leave() -> None:
        app.services.readiness.leaving = HttpProtocol.leaving = True
        # By then proxies know that it is not ready: clients reconnect elsewhere.
        asyncio.get_running_loop().call_later(settings.drain_seconds / 2, app.services.hub.end)

    lifespan = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def drained(app: Starlette) -> AsyncIterator[None]:
        async with lifespan(app), Drain(settings.drain_seconds, leave).watching():
            yield

    app.router.lifespan_context = drained
    # All objects so far stay: freeze them, so that the garbage collector skips them.
    gc.collect()
    gc.freeze()
    return app


def create_app(settings: Settings) -> Application:
    """Return the service as an ASGI application. Raises StatementsError for a faulty statement."""
    key_set = KeySet(settings.jwks_url) if settings.jwks_url else None
    metrics = None if settings.metrics_port is None else Metrics()
    observer = Observer(settings, metrics)
    # Half of the connections, of clients and of the pool: requests need the rest.
    reads = max(1, settings.db_pool_max // 2)
    room = min(settings.max_streams, HttpProtocol.max_connections // 2)
    hub = Hub(room, settings.stream_poll_seconds, reads)
    pool = Pool(settings)
    queries = Queries(shipped(), pool, settings, observe=observer.statement, written=hub.written)
    readiness = Readiness(queries, key_set)
    if metrics is not None:
        metrics.gauges = gauges(
            observer,
            pool,
            settings.db_pool_max,
            hub,
            lambda: key_set.age if key_set else None,
        )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with pool:
            try:
                await pool.warm(settings.db_pool_min, settings.db_acquire_timeout)
            except FAULTS as error:
                log.warning(
                    "the database is unreachable (%s); not ready until it answers",
                    type(error).__name__,
                )
            async with (
                tracing(__version__) as observer.traces,
                exposed(settings, metrics),
                pulsing(readiness.ready),
                key_set.open() if key_set else contextlib.nullcontext(),
                hub.running(partial(stream.newest, queries)),
            ):
                yield

    endpoints = routes()
    cors = Cors(
        settings.cors_origins,
        {method for endpoint in endpoints for method in endpoint.methods or ()},
        exposed=[*ANSWER_HEADERS],
    )
    app = Application(routes=endpoints, lifespan=lifespan)
    app.services = Services(
        queries,
        Cursors(*settings.cursor_secrets),
        Quotas(settings.quota_tasks, settings.quota_bytes),
        hub,
        AtWork(),
        LargeBodies(),
        readiness,
        lru_cache(8)(lambda under: Document(openapi(under), "application/json")),
    )
    app.refusals = Refusals(
        lambda origin: [*UNLESS_SAID_OTHERWISE, *cors.headers_for(origin)], settings.root_path
    )
    app.requests = _behind_proxies(
        settings,
        Dispatch(
            Routes(endpoints).answer,
            observer=observer,
            timeout=Timeout(settings.request_timeout),
            authenticate=Authenticate(
                Verifier(settings, key_set or SharedSecret(settings.secret or ""))
            ),
            admission=Admission(settings.max_in_flight),
            checks=[
                cors.check,
                *_answering_for(settings.allowed_hosts),
                *_limited("client", settings.rate_limit_per_client, network),
            ],
            caller_checks=_limited("owner", settings.rate_limit_per_owner, caller_of),
            root_path=settings.root_path,
            other=app.router,
        ),
    )
    return app


def network(exchange: Exchange) -> str:
    """Return the client's network."""
    return network_of(exchange.scope)


def _behind_proxies(settings: Settings, app: ASGIApp) -> ASGIApp:
    """Use the client's address and the path prefix that trusted proxies report."""
    trusted = settings.trusted_proxies
    if not trusted:
        return app
    replaced = ProxyHeadersMiddleware(app, trusted_hosts=list(trusted))  # type: ignore[arg-type]
    return Prefix(replaced, settings.root_path, Networks(trusted))  # type: ignore[arg-type]


def _answering_for(hosts: tuple[str, ...]) -> list[Check]:
    """Return the check of allowed hosts, if any are set."""
    return [AllowedHosts(hosts).check] if hosts else []


def _limited(name: str, rate: str, key: Callable[[Exchange], str | None]) -> list[Check]:
    """Return a rate limit's check, unless it is off."""
    return [] if rate == "off" else [RateLimit(name, Rate.parse(rate), key).check]
