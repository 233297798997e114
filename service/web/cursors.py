"""Opaque tokens that let a client go on where an answer ended: the next page, the changes since.

A token is ours, whole, and of one place: signed, and bound to its purpose and its owner. What it
holds is no secret to the client, who could read it; he just cannot make or bend one.
"""

import base64
import hashlib
import hmac
from typing import TypeVar

import msgspec
from starlette.requests import Request

from .problem_types import Fault, Invalid

MAX_TOKEN_CHARACTERS = 512
_MAC_BYTES = 16
"""128 bits: nobody guesses one of these online."""

T = TypeVar("T")


class Cursors:
    """Makes and reads tokens with a key that is derived from `secret`, which every replica must
    share.
    """

    def __init__(self, secret: str) -> None:
        # A key of its own: what is signed here must never pass for what `secret` signs elsewhere.
        self._key = hmac.digest(secret.encode(), b"task-service cursors 1", hashlib.sha256)

    def seal(self, purpose: str, owner: str, payload: object) -> str:
        """A token that holds the payload: whatever msgspec can write, small. Safe in a URL as it
        is.

        `purpose` names the list and every filter that the token continues: `tasks?completed=true`.
        """
        content = msgspec.json.encode(payload)
        return _text(self._mac(purpose, owner, content) + content)

    def open(self, purpose: str, owner: str, token: str, kind: type[T], *, parameter: str) -> T:
        """The payload of a token of ours as `kind`. Raises Invalid, naming `parameter`, for any
        other text.
        """
        try:
            if len(token) > MAX_TOKEN_CHARACTERS:
                raise ValueError
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            # The decoder forgives padding, strangers and spare bits: one token has one spelling.
            if _text(sealed) != token:
                raise ValueError
            mac, content = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
            if not hmac.compare_digest(mac, self._mac(purpose, owner, content)):
                raise ValueError
            return msgspec.json.decode(content, type=kind)
        except (ValueError, msgspec.MsgspecError):
            fault: Fault = {
                "parameter": parameter,
                "detail": "Must be a token as this list gave it to you",
                "code": "token",
            }
            raise Invalid([fault]) from None

    def _mac(self, purpose: str, owner: str, content: bytes) -> bytes:
        # A JSON list, so that no two triples are the same text.
        message = msgspec.json.encode([purpose, str(owner)]) + content
        return hmac.digest(self._key, message, hashlib.sha256)[:_MAC_BYTES]


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def cursors_of(request: Request) -> Cursors:
    """The tokens of the application that handles the request."""
    cursors: Cursors = request.app.state.cursors
    return cursors
