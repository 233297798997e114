"""How a write is carried out: alone or in a transaction, and once where it has a key."""

import random
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from ..auth.bearer import owner_of
from ..db.calls import Calls
from ..db.errors import QueryFailed
from ..web.exchange import Exchange
from ..web.idempotency import Claim, fingerprint_of, key_of, once
from ..web.input import Body
from ..web.problem_types import Conflict
from .services import services_of

TRIES = 5
"""How often a transaction is run before others' writes are given as the reason why not."""
SWEEP_EVERY = 16
"""One in so many writes first sweeps what is old and its owner's. A write leaves a row of each kind
to sweep at most, one of many changes as many, and a sweep takes a hundred: so what is old never
piles up.
"""

Work = Callable[[Calls], Awaitable[Response]]
Attempt = Callable[[Calls], Awaitable[Response | None]]


class Overtaken(Exception):
    """Another write came between the statements of a transaction: undo it and run it again."""


class Writer:
    """A request that writes: its caller and its key."""

    def __init__(self, request: Exchange) -> None:
        """Raises NotFound for a path of another's, and BadRequest for a key that is none."""
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
            await self._sweep()
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

    async def _sweep(self) -> None:
        try:
            await self._queries.count("owners/sweep", self.owner)
        except QueryFailed as error:
            if not error.unknown:  # swept or not: the next one finds out
                raise


def _both(alone: Attempt | None, together: Work | None) -> Work:
    """Return both attempts as one: the second where the first does not answer."""

    async def both(calls: Calls) -> Response:
        answer = await alone(calls) if alone is not None else None
        if answer is None and together is not None:
            answer = await together(calls)
        assert answer is not None  # None is for `together` to follow
        return answer

    return both
