"""Idempotency-Key: a request that may be sent again without being carried out again.

After the IETF draft of that name: the first answer is kept with the key and given to every repeat;
the same key on another request is refused. Keys are an owner's own.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
from starlette.responses import Response

from ..db.calls import Calls
from ..db.queries import Queries
from ..db.shapes import KeptAnswer
from ..owner import OwnerId
from .exchange import Exchange, exchange
from .input import Body, canonical
from .problem import answer
from .problem_types import BadRequest, InProgress, KeyReused, NotFound, PreconditionFailed

# The draft wants a structured-field string, in quotes; many clients send it bare. Both spell the
# same key.
_BARE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')

_encode = msgspec.json.Encoder().encode
_decode_headers = msgspec.json.Decoder(list[tuple[str, str]]).decode


class Claim(NamedTuple):
    """A request's claim to a key of its owner's."""

    owner: OwnerId
    key: str
    fingerprint: bytes
    """Of the request that makes the claim."""


AtWork = set[tuple[OwnerId, str]]
"""The keys of the requests that an application is carrying out."""

Work = Callable[[Calls], Awaitable[Response]]


def key_of(request: Exchange) -> str | None:
    """Return the request's key, or None.

    Raises BadRequest for one that is not 1 to 255 visible ASCII characters, or for two.
    """
    lines = request.lines(b"idempotency-key")
    if not lines:
        return None
    text = lines[0].strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if len(lines) > 1 or len(key) > 255 or not (quoted or _BARE.fullmatch(text)):
        raise BadRequest(
            "Idempotency-Key must be 1 to 255 visible ASCII characters, bare or in double quotes"
        )
    return key


def fingerprint_of(request: Exchange, body: Body | None) -> bytes:
    """Return SHA-256 of what makes two requests the same, as it was understood.

    That is the method, the route and its parameters, whichever way a UUID is spelt, and the
    members of the body, in whatever order and spacing.
    """
    parts = [
        request.method,
        request.scope["endpoint"].path,
        {name: canonical(text) for name, text in request.path_params.items()},
        "" if body is None else body.model_dump_json(exclude_unset=True),
    ]
    return hashlib.sha256(_encode(parts)).digest()


async def once(queries: Queries, at_work: AtWork, claim: Claim, work: Work) -> Response:
    """Carry `work` out in a transaction that keeps its answer with the key, or repeat that answer.

    Kept are what `work` returns, and NotFound and PreconditionFailed. What else it raises is
    raised, and the key is not used up. Raises InProgress while this process is at work on a
    request with the key (another process is waited for), and KeyReused when it was another
    request's.
    """
    owned = (claim.owner, claim.key)
    if owned in at_work:
        raise InProgress
    at_work.add(owned)
    try:
        return await queries.transaction(claim.owner, _kept(claim, work), repeatable=True)
    except (NotFound, PreconditionFailed) as error:
        refusal = answer(error)

        async def refuse(_: Calls) -> Response:
            return refusal

        # A transaction of its own: what `work` did before it was refused is undone by now.
        return await queries.transaction(claim.owner, _kept(claim, refuse), repeatable=True)
    finally:
        at_work.discard(owned)


def _kept(claim: Claim, work: Work) -> Work:
    """Return work that is done only where the key can be claimed, and keeps its answer."""

    async def kept(calls: Calls) -> Response:
        if not await calls.count("keys/claim", key=claim.key, fingerprint=claim.fingerprint):
            row = await calls.maybe("keys/get", key=claim.key)
            if row is None or row["status"] is None:  # swept between the two statements
                raise InProgress
            if row["fingerprint"] != claim.fingerprint:
                raise KeyReused
            return _replayed(row)
        response = await work(calls)
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in response.raw_headers
            if name != b"content-length"
        ]
        await calls.count(
            "keys/keep",
            key=claim.key,
            status=response.status_code,
            headers=_encode(headers).decode(),
            body=bytes(response.body).decode(),
        )
        return response

    return kept


def _replayed(row: KeptAnswer) -> Response:
    """Return the kept answer again."""
    body = row["body"].encode()
    response = Response(body, row["status"])
    response.raw_headers = [
        *[
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in _decode_headers(row["headers"])
        ],
        *[pair for pair in response.raw_headers if pair[0] == b"content-length"],
        (b"idempotency-replayed", b"true"),
    ]
    if row["status"] >= 400 and (current := exchange()) is not None:
        current.problem = msgspec.json.decode(body)["type"].rpartition("/")[2]
    return response
