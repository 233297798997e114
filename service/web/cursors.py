"""Opaque tokens that let a client go on where an answer ended: the next page, the changes since.

A token is ours, whole, and of one place: signed, and bound to its purpose and its owner. What it
holds is no secret to the client, who could read it; he just cannot make or bend one.
"""

import base64
import hashlib
import hmac
from typing import TypeVar

import msgspec

from .problem import Problem
from .problem_types import Fault, Invalid

MAX_TOKEN_CHARACTERS = 1536
"""Room for a title of 255 characters, the longest place that a token holds."""
_MAC_BYTES = 16
"""128 bits: nobody guesses one of these online."""

T = TypeVar("T")


class Cursors:
    """Makes and reads tokens with keys that are derived from `secrets`, which every replica must
    share: the first one signs, all of them verify, so that a secret can be changed in steps.
    """

    def __init__(self, *secrets: str) -> None:
        # Keys of their own: what is signed here must never pass for what a secret signs elsewhere.
        self._keys = [
            hmac.digest(secret.encode(), b"task-service cursors 1", hashlib.sha256)
            for secret in secrets
        ]

    def seal(self, purpose: str, owner: str, payload: object) -> str:
        """A token that holds the payload: whatever msgspec can write, small. Safe in a URL as it
        is.

        `purpose` names the list and every filter that the token continues: `tasks?completed=true`.
        """
        content = msgspec.msgpack.encode(payload)
        return _text(_mac(self._keys[0], purpose, owner, content) + content)

    def open(  # noqa: PLR0913 - all that a token is bound to
        self,
        purpose: str,
        owner: str,
        token: str,
        kind: type[T],
        *,
        parameter: str,
        unknown: type[Problem] | None = None,
    ) -> T:
        """Return the payload of a token of ours as `kind`.

        Raises Invalid, naming `parameter`, for any other text; but `unknown`, where that is given,
        for what has a token's form and was not signed with any of our keys.
        """
        try:
            if len(token) > MAX_TOKEN_CHARACTERS:
                raise ValueError
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            # The decoder forgives padding, strangers and spare bits: one token has one spelling.
            if _text(sealed) != token:
                raise ValueError
            mac, content = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
            for key in self._keys:
                if hmac.compare_digest(mac, _mac(key, purpose, owner, content)):
                    break
            else:
                if unknown is not None and content:
                    raise unknown
                raise ValueError
            return msgspec.msgpack.decode(content, type=kind)
        except (ValueError, msgspec.MsgspecError):
            fault: Fault = {
                "parameter": parameter,
                "detail": "Must be a token as this list gave it to you",
                "code": "token",
            }
            raise Invalid([fault]) from None


def _mac(key: bytes, purpose: str, owner: str, content: bytes) -> bytes:
    # A JSON list, so that no two triples are the same text.
    message = msgspec.json.encode([purpose, str(owner)]) + content
    return hmac.digest(key, message, hashlib.sha256)[:_MAC_BYTES]


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
