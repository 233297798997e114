"""Rows and documents to bytes."""

from collections.abc import Mapping
from datetime import datetime

import msgspec
from starlette.responses import Response

_encode = msgspec.json.Encoder().encode


def reply(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The document as JSON. Answers are somebody's own: no cache may keep them, unless `headers` says otherwise."""
    return Response(_encode(document), status, {"Cache-Control": "private, no-store", **(headers or {})}, "application/json")


def instant(when: datetime) -> datetime | str:
    """A UTC timestamp for the encoder, which writes RFC 3339 with `Z` but leaves out a fraction that is zero."""
    return when if when.microsecond else f"{when:%Y-%m-%dT%H:%M:%S}.000000Z"
