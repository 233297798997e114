"""Carry out a write: as one statement or as a transaction, and once if it has a key."""

import random
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from ..auth.bearer import owner_of
from ..db.calls import Calls
from ..web.exchange import Exchange
from ..web.idempotency import Claim, fingerprint_of, key_of, once
from ..web.input import Body
from ..web.problem_types import Conflict
from .services import services_of

TRIES = 5
"""How often to run a transaction that other writes overtake, before giving up."""
SWEEP_EVERY = 16
"""One in so many writes first sweeps the owner's expired rows, in its transaction. A change leaves
at most one row of each kind, and a sweep purges a hundred, so that they never accumulate.
"""

Work = Callable[[Calls], Awaitable[Response]]
Attempt = Callable[[Calls], Awaitable[Response | None]]


class Overtaken(Exception):
    """Another write interfered with a transaction: roll back and run it again."""


class Writer:
    """A request that writes: its caller and its key."""

    def __init__(self, request: Exchange) -> None:
        """Raises NotFound for another user's path, and BadRequest for a malformed key."""
        self.owner = owner_of(request)
        self._key = key_of(request)
        self._request = request
        self.services = services_of(request)
        self._queries = self.services.queries

    async def write(
        self,
        body: Body | None,
        *,
        alone: Attempt | None = None,
        together: Work | None = None,
        changes: int = 1,
    ) -> Response:
        """Carry the request out, and answer.

        `alone` is one statement, which needs no transaction; it may answer None, and then
        `together` is run, which is several. For a request with a key all is one transaction, whose
        answer is kept with the key. Both may be run more than once, so that they must have no
        effect but their statements'. `changes`: how many tasks it is about, at most. Raises what
        they raise, InProgress, KeyReused and Conflict.
        """
        if random.random() * SWEEP_EVERY < changes:  # noqa: S311 - no secret
            alone, together = None, _swept(_both(alone, together))
        for _ in range(TRIES):
            try:
                if self._key is not None:
                    return await self._once(self._key, body, _both(alone, together))
                if alone is not None:
                    answer = await alone(self._queries.alone(self.owner))
                    if answer is not None:
                        return answer
                if together is not None:
                    return await self._queries.transaction(self.owner, together)
            except Overtaken:
                continue
        raise Conflict

    async def _once(self, key: str, body: Body | None, work: Work) -> Response:
        at_work = self.services.keys_at_work
        claim = Claim(self.owner, key, fingerprint_of(self._request, body))
        return await once(self._queries, at_work, claim, work)


def _both(alone: Attempt | None, together: Work | None) -> Work:
    """Return both attempts as one: the second runs if the first returns None."""

    async def both(calls: Calls) -> Response:
        answer = await alone(calls) if alone is not None else None
        if answer is None and together is not None:
            answer = await together(calls)
        assert answer is not None  # None only if `together` follows
        return answer

    return both


def _swept(work: Work) -> Work:
    """Return work that first sweeps the owner's expired rows. In one transaction, as each waits for
    a connection once; and first, so that quotas see the room.
    """

    async def swept(calls: Calls) -> Response:
        await calls.count("owners/sweep")
        return await work(calls)

    return swept
