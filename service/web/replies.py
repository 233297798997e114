"""Rows and documents to bytes, and where things are to headers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

import msgspec
from pydantic import WithJsonSchema
from starlette.responses import Response

from .exchange import Exchange

_encode = msgspec.json.Encoder().encode

Instant = Annotated[
    datetime | str,
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
        }
    ),
]
"""A point in time as `instant` makes it for the encoder; to clients RFC 3339 in UTC with
microseconds.
"""


def reply(
    document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The document as JSON. Answers are somebody's own: no cache may keep them, unless `headers`
    says otherwise.
    """
    return _Json(
        _encode(document), status, {"Cache-Control": "private, no-store", **(headers or {})}
    )


class _Json(Response):
    """A Response of which nothing need be found out: what its parent looks at anew each time is
    known here.
    """

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = [
            *[
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in headers.items()
            ],
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
        ]


def instant(when: datetime) -> datetime | str:
    """A UTC timestamp for the encoder, which writes RFC 3339 with `Z` but leaves out a fraction
    that is zero.
    """
    return when if when.microsecond else f"{when:%Y-%m-%dT%H:%M:%S}.000000Z"


def path_of(request: Exchange) -> str:
    """The request's path as its client sees it, so that what is made of it leads back to the same
    route. What may not stand in a header, or would end a link there, is percent-encoded.
    """
    return request.prefix + quote(request.scope["raw_path"], safe="%/!$&()*+,:=@~")
