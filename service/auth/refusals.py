"""Reasons to refuse a token: for the log and the metrics, never for the client."""

from typing import Literal, get_args

Reason = Literal[
    "form",
    "encrypted",
    "algorithm",
    "critical",
    "typ",
    "no-kid",
    "unknown-kid",
    "signature",
    "claims",
    "no-expiry",
    "not-yet",
    "issuer",
    "no-audience",
    "audience",
    "audience-not-configured",
    "token-use",
    "subject",
    "expired",
]
"""The rules that a token can break, in the order of the checks. Never a text of the token.
service/auth/README.md has the cure of each.
"""
REASONS: tuple[Reason, ...] = get_args(Reason)


class TokenError(Exception):
    """The token is not valid. `reason` is not sent to the client."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class TokenExpired(TokenError):
    """The token was valid until its `exp`."""

    def __init__(self) -> None:
        super().__init__("expired")
