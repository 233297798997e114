"""Probes: alive, ready, and the front door."""

import logging

from starlette.requests import Request
from starlette.responses import Response

from ..auth.keys import KeySet
from ..db import schema
from ..db.errors import QueryFailed
from ..db.queries import NOBODY, Queries
from ..web.problems import Unavailable
from ..web.replies import reply
from . import queries_of

log = logging.getLogger("service")


class NotReady(Unavailable):
    """The service runs but should get no traffic yet: a check failed, `checks` says which. Its log says why."""

    slug, title, detail = "not-ready", "Not ready", "Not ready"


class Readiness:
    """What must hold before traffic may come: the database answers, its schema is not behind this build, keys are there.

    The schema is looked at until it once was right; it only ever moves forward while we run. Of the keys too only the
    first ones are waited for: an issuer that fails later does not end the service.
    """

    def __init__(self, key_set: KeySet | None = None) -> None:
        self._schema_seen = False
        self._key_set = key_set

    async def checks(self, queries: Queries) -> dict[str, str]:
        """Each check with its outcome, `ok` or a word for what is not; one short statement."""
        keys = {"keys": "ok" if self._key_set.ready else "unknown"} if self._key_set else {}
        return {**await self._database_checks(queries), **keys}

    async def _database_checks(self, queries: Queries) -> dict[str, str]:
        try:
            if self._schema_seen:
                await queries.one("schema/ping", NOBODY)
            else:
                self._schema_seen = not (await schema.difference(queries)).missing
        except QueryFailed as error:
            log.warning("not ready: %s", error)
            return {"database": "failed", "schema": "ok" if self._schema_seen else "unknown"}
        return {"database": "ok", "schema": "ok" if self._schema_seen else "behind"}


async def get_root(_: Request) -> Response:
    """That this is the service, and where to go from here."""
    return reply({"status": "ok", "service": "task-service", "links": {"health": "/livez", "readiness": "/readyz"}})


async def get_health(_: Request) -> Response:
    """Alive, in the words that old clients know."""
    return reply({"status": "healthy"})


async def get_livez(_: Request) -> Response:
    """The process answers; nothing else is asked."""
    return reply({"status": "ok"})


async def get_readyz(request: Request) -> Response:
    """Whether traffic may come, or which check failed."""
    readiness: Readiness = request.app.state.readiness
    checks = await readiness.checks(queries_of(request))
    failed = [name for name, outcome in checks.items() if outcome != "ok"]
    if failed:
        raise NotReady(f"Not ready: {', '.join(failed)}", members={"checks": checks})
    return reply({"status": "ok", "checks": checks})
