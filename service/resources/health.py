"""Probes: alive, ready, and the front door."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import ClassVar, Literal

from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..auth.key_set import KeySet
from ..contract.operation import Answer, Example, Operation
from ..db.errors import QueryFailed
from ..db.queries import NOBODY, Queries
from ..migrate import schema
from ..web.exchange import Exchange, prefix
from ..web.problem import ProblemDetails
from ..web.problem_types import Unavailable
from ..web.replies import reply
from . import queries_of

log = logging.getLogger("service")


class NotReadyDetails(ProblemDetails):
    """The service should get no traffic yet, with the outcome of each check."""

    checks: dict[str, str]


class NotReady(Unavailable):
    """The service runs but should get no traffic yet: a check failed.

    `checks` says which. The service's log says why.
    """

    slug, title, detail = "not-ready", "Not ready", "Not ready"
    document = NotReadyDetails
    example: ClassVar[Mapping[str, object]] = {
        "checks": {"database": "failed", "schema": "unknown"}
    }


class Root(TypedDict):
    """The front door."""

    status: Literal["ok"]
    service: str
    links: dict[str, str]


class Health(TypedDict):
    """That the process is healthy."""

    status: Literal["healthy"]


class Liveness(TypedDict):
    """That the process lives."""

    status: Literal["ok"]


class Ready(TypedDict):
    """That traffic may come, with the outcome of each check."""

    status: Literal["ok"]
    checks: dict[str, str]


FRESH = 0.2
"""Seconds that the database's answer is good for."""


class Readiness:
    """What must hold before traffic may come: the database answers, its schema is not behind this
    build, keys are there.

    Server and schema are looked at until they once were right, and again after the server did not
    know one of the tables: another database may have come behind the same address. Of the keys only
    the first ones are waited for: an issuer that fails later does not end the service. The database
    is asked when something went wrong since it last answered; otherwise traffic tells, and without
    traffic a serverless one may sleep. However many ask, the database is asked once in FRESH
    seconds.
    """

    def __init__(self, key_set: KeySet | None = None) -> None:
        self.leaving = False
        """Whether the process is about to end."""
        self._schema_seen = False
        self._doubts_heard = -1
        self._misfits_heard = 0
        self._key_set = key_set
        self._asking = asyncio.Lock()
        self._answer: dict[str, str] = {}
        self._until = 0.0

    async def checks(self, queries: Queries) -> dict[str, str]:
        """Each check with its outcome, `ok` or a word for what is not; one short statement at
        most.
        """
        if self.leaving:
            return {"process": "leaving"}
        keys = {"keys": "ok" if self._key_set.ready else "unknown"} if self._key_set else {}
        async with self._asking:
            if time.monotonic() >= self._until:
                self._answer = await self._database_checks(queries)
                self._until = time.monotonic() + FRESH
        return {**self._answer, **keys}

    async def ready(self, queries: Queries) -> bool:
        """Whether every check is `ok`."""
        return all(outcome == "ok" for outcome in (await self.checks(queries)).values())

    async def _database_checks(self, queries: Queries) -> dict[str, str]:
        doubts, misfits = queries.doubts, queries.misfits
        if misfits != self._misfits_heard:
            self._misfits_heard, self._schema_seen = misfits, False
        try:
            if not self._schema_seen:
                if (missing := await schema.obstacle(queries)) is not None:
                    log.warning("not ready: %s", missing.sentence)
                    return {"database": missing.name, "schema": "unknown"}
                self._schema_seen = not (await schema.difference(queries)).missing
            elif doubts != self._doubts_heard:
                await queries.one("schema/ping", NOBODY)
            self._doubts_heard = doubts
        except QueryFailed as error:
            log.warning("not ready: %s", error)
            return {"database": "failed", "schema": "ok" if self._schema_seen else "unknown"}
        return {"database": "ok", "schema": "ok" if self._schema_seen else "behind"}


LINKS = {
    "contract": "/openapi.json",
    "docs": "/docs",
    "health": "/livez",
    "problems": "/problems",
    "readiness": "/readyz",
}


@Operation(
    tag="service",
    answers={200: Answer("The service is there.", Root)},
    examples=(
        Example("The front door", 200, {"status": "ok", "service": "task-service", "links": LINKS}),
    ),
)
async def get_root(_: Exchange) -> Response:
    """Tell where to go from here."""
    links = {name: prefix() + path for name, path in LINKS.items()}
    return reply({"status": "ok", "service": "task-service", "links": links})


@Operation(
    tag="service",
    answers={200: Answer("The process is healthy.", Health)},
    examples=(Example("Healthy", 200, {"status": "healthy"}),),
)
async def get_health(_: Exchange) -> Response:
    """Tell whether the process lives, in the words that old clients know."""
    return reply({"status": "healthy"})


@Operation(
    tag="service",
    answers={200: Answer("The process lives.", Liveness)},
    examples=(Example("Alive", 200, {"status": "ok"}),),
)
async def get_livez(_: Exchange) -> Response:
    """Tell whether the process lives. Nothing else is asked."""
    return reply({"status": "ok"})


@Operation(
    tag="service",
    answers={200: Answer("Traffic may come.", Ready)},
    problems=(NotReady,),
    examples=(
        Example("Ready", 200, {"status": "ok", "checks": {"database": "ok", "schema": "ok"}}),
    ),
)
async def get_readyz(request: Exchange) -> Response:
    """Tell whether traffic may come, or which check failed."""
    readiness: Readiness = request.app.state.readiness
    checks = await readiness.checks(queries_of(request))
    failed = [name for name, outcome in checks.items() if outcome != "ok"]
    if failed:
        raise NotReady(f"Not ready: {', '.join(failed)}", members={"checks": checks})
    return reply({"status": "ok", "checks": checks})
