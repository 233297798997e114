"""Static documents: the same for all clients of this version."""

import gzip
from collections.abc import Mapping
from hashlib import sha256

from starlette.responses import Response

from .conditions import is_known
from .exchange import Exchange
from .negotiation import takes


class Document:
    """Bytes with an ETag, for caches, and with a compressed form.

    Only static documents are compressed, once for all clients. A proxy may compress the responses
    for single users: see web/conditions.
    """

    def __init__(
        self, content: bytes, media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """`headers`: further headers of every response."""
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
        # A memoryview tells the server that all clients share the bytes: it does not copy them.
        self._plain = memoryview(content), {"ETag": f'"{self._tag}"'}
        self._packed = (
            memoryview(packed),
            {"ETag": f'"{self._tag}-gzip"', "Content-Encoding": "gzip"},
        )

    def answer(self, request: Exchange) -> Response:
        """Return 200 with the document, or 304 if the client has it."""
        packed = takes("gzip", request.lines(b"accept-encoding"))
        content, headers = self._packed if packed else self._plain
        headers = {**self._headers, **headers}
        if is_known(request, self._tag):
            headers.pop("Content-Encoding", None)
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=self._media_type)
