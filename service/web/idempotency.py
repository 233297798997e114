"""Idempotency-Key: a request that may be sent again without being carried out again.

After the IETF draft of that name: the first answer is kept with the key and given to every repeat;
the same key on another request is refused. Keys are an owner's own.
"""

import hashlib
import re
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from ..db.queries import Row
from .conditions import etag, validators
from .input import Body, lines_of
from .problem_types import BadRequest, InProgress, KeyReused, NotFound, PreconditionFailed
from .replies import path_of

# The draft wants a structured-field string, in quotes; many clients send it bare. Both spell the
# same key.
_BARE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')


def key_of(request: Request) -> str | None:
    """The request's key, or None. Raises BadRequest for one that is not 1 to 255 visible ASCII
    characters, or for two.
    """
    lines = lines_of(request, b"idempotency-key")
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


def fingerprint_of(request: Request, body: Body) -> bytes:
    """SHA-256 of what makes two requests the same: method, path, and the members of the body, in
    whatever order and spacing.
    """
    content = body.model_dump_json(exclude_unset=True)
    return hashlib.sha256(f"{request.method}\n{path_of(request)}\n{content}".encode()).digest()


def answer_of(
    request: Request, fingerprint: bytes, kept: Row | None, check: Callable[[Row], None]
) -> Response:
    """The answer that is kept with the request's key.

    Raises InProgress when there is none yet, KeyReused when it is another request's, what was
    raised the first time, and what `check` raises of a row that is no answer to keep.
    """
    if kept is None:
        raise InProgress
    check(kept)
    if kept["fingerprint"] != fingerprint:
        raise KeyReused
    headers = {"Idempotency-Replayed": "true"} if kept["replayed"] else {}
    if kept["status"] == 404:
        raise NotFound(headers=headers)
    tag = etag(kept["version"])
    if kept["status"] == 412:
        raise PreconditionFailed(tag, headers=headers)
    if kept["status"] == 201:
        headers["Location"] = f"{path_of(request)}/{kept['task_id']}"
    return Response(
        kept["answer"], kept["status"], {**validators(tag), **headers}, "application/json"
    )
