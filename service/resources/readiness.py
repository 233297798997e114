"""Check whether traffic may come."""

import asyncio
import logging
import time

from ..auth.key_set import KeySet
from ..db.errors import QueryFailed
from ..db.queries import NOBODY, Queries
from ..migrate import schema

log = logging.getLogger("service")

FRESH = 0.2
"""Seconds for which the database's answer is reused."""


class Readiness:
    """Ready means: the database answers, its schema is not behind this build, and there are keys.

    Server and schema are checked until they once pass, and again after the server did not know a
    table: another database may have replaced it. Only the first fetch of keys counts: a later
    failure of the issuer does not stop the service. The database is queried only if a statement
    failed since its last answer, so that an idle serverless one may sleep, and at most once in
    FRESH seconds.
    """

    def __init__(self, queries: Queries, key_set: KeySet | None = None) -> None:
        self.leaving = False
        """Whether the process is draining."""
        self._schema_seen = False
        self._doubts_heard = -1
        self._misfits_heard = 0
        self._queries = queries
        self._key_set = key_set
        self._asking = asyncio.Lock()
        self._answer: dict[str, str] = {}
        self._until = 0.0

    async def checks(self) -> dict[str, str]:
        """Return the outcome of each check: `ok`, or a word for the failure. It runs at most one
        short statement.
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
        """Return whether every check is `ok`."""
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
