"""Answers that are the same for everybody, until the service is another one."""

import gzip
from collections.abc import Mapping
from hashlib import sha256

from starlette.responses import Response

from .exchange import Exchange


class Document:
    """Bytes with a validator, to be kept by caches and asked after, and a compressed form.

    Only such documents are compressed, once for all clients. What belongs to somebody is left to
    the proxy in front, which may do as it likes: see web/conditions.
    """

    def __init__(
        self, content: bytes, media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """`headers`: more of them for every answer."""
        self._media_type = media_type
        self._headers = {
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding, Origin",
            **(headers or {}),
        }
        tag = sha256(content).hexdigest()[:32]
        packed = gzip.compress(content, mtime=0)
        # A compressed form is another representation and has a validator of its own (RFC 9110,
        # section 8.8.3.3).
        # A view says to the server that the bytes are everybody's: it copies none of them.
        self._plain = memoryview(content), {"ETag": f'"{tag}"'}
        self._packed = memoryview(packed), {"ETag": f'"{tag}-gzip"', "Content-Encoding": "gzip"}

    def answer(self, request: Exchange) -> Response:
        """200 with the document, or 304 where the client has it."""
        content, headers = self._packed if _takes_gzip(request) else self._plain
        headers = {**self._headers, **headers}
        known = {
            tag.strip().removeprefix("W/")
            for tag in ",".join(request.lines(b"if-none-match")).split(",")
        }
        if known & {headers["ETag"], "*"}:
            headers.pop("Content-Encoding", None)
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=self._media_type)


def _takes_gzip(request: Exchange) -> bool:
    for part in ",".join(request.lines(b"accept-encoding")).lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() == "gzip":
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
