"""Whether traffic may come."""

import asyncio
import logging
import time

from ..auth.key_set import KeySet
from ..db.errors import QueryFailed
from ..db.queries import NOBODY, Queries
from ..migrate import schema

log = logging.getLogger("service")

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

    def __init__(self, queries: Queries, key_set: KeySet | None = None) -> None:
        self.leaving = False
        """Whether the process is about to end."""
        self._schema_seen = False
        self._doubts_heard = -1
        self._misfits_heard = 0
        self._queries = queries
        self._key_set = key_set
        self._asking = asyncio.Lock()
        self._answer: dict[str, str] = {}
        self._until = 0.0

    async def checks(self) -> dict[str, str]:
        """Each check with its outcome, `ok` or a word for what is not; one short statement at
        most.
        """
        if self.leaving:
            return {"process": "leaving"}
        keys = {"keys": "ok" if self._key_set.ready else "unknown"} if self._key_set else {}
        async with self._asking:
            if time.monotonic() >= self._until:
                self._answer = await self._database_checks()
                self._until = time.monotonic() + FRESH
        return {**self._answer, **keys}

    async def ready(self) -> bool:
        """Whether every check is `ok`."""
        return all(outcome == "ok" for outcome in (await self.checks()).values())

    async def _database_checks(self) -> dict[str, str]:
        queries = self._queries
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
