"""Requests without routes or a database: straight to a handler, or to none."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.requests import empty_receive
from starlette.types import Receive

from service.auth.bearer import Authenticate
from service.auth.key_set import SharedSecret
from service.auth.tokens import Verifier
from service.layers.admission import Admission
from service.layers.dispatch import Check, Dispatch, Handle
from service.layers.timeout import Timeout
from service.settings import TokenSettings
from service.web.exchange import Exchange

SECRET = "a secret for tests, 32 characters and more"


def exchange_of(
    headers: Iterable[tuple[bytes, bytes]] = (), receive: Receive = empty_receive, **scope: Any
) -> Exchange:
    """A request with these headers, and these members of its scope."""
    given = {"type": "http", "method": "GET", "path": "/", "headers": [*headers], **scope}
    return Exchange(given, receive, math.inf)


def authenticate() -> Authenticate:
    """What takes tokens that SECRET has signed."""
    settings = TokenSettings.model_validate({"jwt_secret": SECRET})
    return Authenticate(Verifier(settings, SharedSecret(SECRET)))


class Nobody:
    """An observer that does nothing."""

    def begin(self, exchange: Exchange) -> None:
        """A request has come."""

    def end(self, exchange: Exchange) -> None:
        """It is over."""


def dispatch(
    handle: Handle,
    timeout: float = 60,
    *,
    admission: Admission | None = None,
    checks: Sequence[Check] = (),
) -> Dispatch:
    """The way of a request to that handler."""
    return Dispatch(
        handle,
        observer=Nobody(),
        timeout=Timeout(timeout),
        authenticate=authenticate(),
        admission=admission or Admission(1000),
        checks=checks,
    )
