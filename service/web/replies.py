"""Render documents as JSON responses, and paths for headers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

import msgspec
from pydantic import WithJsonSchema
from starlette.responses import Response

from .exchange import Exchange

_encode = msgspec.json.Encoder().encode
_PRIVATE = (b"cache-control", b"private, no-store")

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
"""A timestamp from `instant`; for clients RFC 3339 in UTC with microseconds."""


def reply(
    document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the document as JSON. Responses are private: no cache may store them, unless
    `headers` says otherwise.
    """
    return _Json(_encode(document), status, headers)


class _Json(Response):
    """A Response without the checks that its parent makes for each instance."""

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str] | None) -> None:
        self.status_code, self.body, self.background = status, body, None
        self.raw_headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
        ]
        if headers is None or "Cache-Control" not in headers:
            self.raw_headers.append(_PRIVATE)
        if headers is not None:
            self.raw_headers += [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in headers.items()
            ]


def instant(when: datetime) -> datetime | str:
    """Return a UTC timestamp for the encoder, which writes RFC 3339 with `Z` but omits a zero
    fraction.
    """
    return when if when.microsecond else f"{when:%Y-%m-%dT%H:%M:%S}.000000Z"


def path_of(request: Exchange) -> str:
    """Return the request's path as its client sees it. Characters that are not allowed in a header,
    or would end a link there, are percent-encoded.
    """
    return request.prefix + quote(request.scope["raw_path"], safe="%/!$&()*+,:=@~")
