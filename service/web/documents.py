"""Answers that are the same for everybody, until the service is another one."""

import gzip
from collections.abc import Mapping
from hashlib import sha256

from starlette.responses import Response

from .conditions import is_known
from .exchange import Exchange
from .negotiation import takes


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
        self._tag = sha256(content).hexdigest()[:32]
        packed = gzip.compress(content, mtime=0)
        # A compressed form is another representation and has a validator of its own (RFC 9110,
        # section 8.8.3.3).
        # A view says to the server that the bytes are everybody's: it copies none of them.
        self._plain = memoryview(content), {"ETag": f'"{self._tag}"'}
        self._packed = (
            memoryview(packed),
            {"ETag": f'"{self._tag}-gzip"', "Content-Encoding": "gzip"},
        )

    def answer(self, request: Exchange) -> Response:
        """200 with the document, or 304 where the client has it."""
        packed = takes("gzip", request.lines(b"accept-encoding"))
        content, headers = self._packed if packed else self._plain
        headers = {**self._headers, **headers}
        if is_known(request, self._tag):
            headers.pop("Content-Encoding", None)
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=self._media_type)
