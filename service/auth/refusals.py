"""Why a token is refused: for the log and the metrics, never for the client."""

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
"""The rule that the token breaks, in the order in which they are checked. Words of ours alone:
nothing that a token says is ever one. service/auth/README.md says what to do about each.
"""
REASONS: tuple[Reason, ...] = get_args(Reason)


class TokenError(Exception):
    """The token is not valid. `reason` says why, which the client is not told."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class TokenExpired(TokenError):
    """The token was valid, until its `exp`."""

    def __init__(self) -> None:
        super().__init__("expired")
