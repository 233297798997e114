"""Opaque tokens with which a client continues: the next page, the changes since.

A token is signed, and bound to its purpose and its owner. The client can read its content, but
cannot forge or change it.
"""

import base64
import hashlib
import hmac
from typing import Any, TypeVar

import msgspec
from pydantic import Field

from .problem import Problem
from .problem_types import Fault, Invalid

MAX_TOKEN_CHARACTERS = 1536
"""Room for a title of 255 characters, the longest payload."""
_MAC_BYTES = 16
"""128 bits: too many to guess online."""

T = TypeVar("T")


def token_field(kind: str) -> Any:
    """Return the limits of a token in the contract; `kind` is its format there."""
    return Field(min_length=1, max_length=MAX_TOKEN_CHARACTERS, json_schema_extra={"format": kind})


class Cursors:
    """Signs and verifies tokens with keys derived from `secrets`, which all replicas share: the
    first one signs, all verify, so that secrets can be rotated.
    """

    def __init__(self, *secrets: str) -> None:
        # Derived keys: a signature made here must not be valid elsewhere. A MAC that has its key is
        # copied for each token: OpenSSL takes four times as long to begin one.
        self._keys = [
            hmac.new(
                hmac.digest(secret.encode(), b"task-service cursors 1", hashlib.sha256),
                digestmod=hashlib.sha256,
            )
            for secret in secrets
        ]

    def seal(self, purpose: str, owner: str, payload: object) -> str:
        """Return a URL-safe token with the payload, a small value that msgspec can encode.

        `purpose` names the list with its filters: `tasks?completed=true`.
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
        """Return the payload of a valid token as `kind`.

        Raises Invalid, naming `parameter`, for any other text; or `unknown`, if given, for a token
        that was not signed with any of our keys.
        """
        try:
            if len(token) > MAX_TOKEN_CHARACTERS:
                raise ValueError
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            # The decoder ignores padding, foreign characters and spare bits: accept one spelling.
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


def _mac(key: hmac.HMAC, purpose: str, owner: str, content: bytes) -> bytes:
    mac = key.copy()
    # A JSON list, so that no two triples are the same text.
    mac.update(msgspec.json.encode([purpose, str(owner)]) + content)
    return mac.digest()[:_MAC_BYTES]


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
