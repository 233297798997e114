"""Idempotency-Key: carry out a repeated request once.

By the IETF draft of that name: the first response is kept with the key and sent to every repeat;
the same key with another request is refused. Each owner has keys of its own.
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

# The draft has a structured-field string, in quotes; many clients send it bare. Both are the same
# key.
_BARE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')

_encode = msgspec.json.Encoder().encode
_decode_headers = msgspec.json.Decoder(list[tuple[str, str]]).decode


class Claim(NamedTuple):
    """A request's claim to a key."""

    owner: OwnerId
    key: str
    fingerprint: bytes
    """The fingerprint of the claiming request."""


AtWork = set[tuple[OwnerId, str]]
"""The keys of the requests in progress in an application."""

Work = Callable[[Calls], Awaitable[Response]]


def key_of(request: Exchange) -> str | None:
    """Return the request's key, or None.

    Raises BadRequest for one that is not 1 to 255 visible ASCII characters, or for two.
    """
    if b"idempotency-key" not in request.first_lines:
        return None
    lines = request.lines(b"idempotency-key")
    text = lines[0].strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if len(lines) > 1 or len(key) > 255 or not (quoted or _BARE.fullmatch(text)):
        raise BadRequest(
            "Idempotency-Key must be 1 to 255 visible ASCII characters, bare or in double quotes"
        )
    return key


def fingerprint_of(request: Exchange, body: Body | None) -> bytes:
    """Return a SHA-256 that is equal for equal requests.

    It covers method, route, path parameters (UUIDs in canonical form) and the body's members, in
    any order and spacing.
    """
    parts = [
        request.method,
        request.scope["endpoint"].path,
        {name: canonical(text) for name, text in request.path_params.items()},
        "" if body is None else body.model_dump_json(exclude_unset=True),
    ]
    return hashlib.sha256(_encode(parts)).digest()


async def once(queries: Queries, at_work: AtWork, claim: Claim, work: Work) -> Response:
    """Run `work` in a transaction that keeps its response with the key, or return the kept one.

    It keeps the result of `work`, and NotFound and PreconditionFailed. Other exceptions are raised
    and leave the key unused. Raises InProgress while this process handles a request with the key
    (for other processes it waits), and KeyReused if the key was used by another request.
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

        # In a new transaction: the one of `work` is rolled back.
        return await queries.transaction(claim.owner, _kept(claim, refuse), repeatable=True)
    finally:
        at_work.discard(owned)


def _kept(claim: Claim, work: Work) -> Work:
    """Return work that claims the key first, and keeps its response at the end."""

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
    """Return the kept response, marked as a repeat."""
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
