"""Handle a request: checks, authentication, handler, and exactly one response."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..auth.bearer import Authenticate
from ..db.deadline import current
from ..web.exchange import CONNECTION, Exchange
from ..web.problem import answer
from .admission import Admission
from .browsers import harden
from .exceptions import problem_of
from .prefix import SAID
from .timeout import Timeout

Handle = Callable[[Exchange], Awaitable[Response]]
Check = Callable[[Exchange], Response | None]
"""Returns None to let a request pass, or a response, or raises a problem."""


class Observer(Protocol):
    """Observes the beginning and the end of each request."""

    def begin(self, exchange: Exchange) -> None:
        """Note that a request has begun."""

    def end(self, exchange: Exchange) -> None:
        """Note that it is answered, or that its client is gone."""


class Dispatch:
    """Answers each request in time, without revealing internals.

    The order: checks, verification of the token, checks that need the caller, handler. Every
    exception becomes a problem. If the client disconnects, its request is cancelled without a
    response.
    """

    def __init__(  # noqa: PLR0913 - each part by its name
        self,
        handle: Handle,
        *,
        observer: Observer,
        timeout: Timeout,
        authenticate: Authenticate,
        admission: Admission,
        checks: Sequence[Check] = (),
        caller_checks: Sequence[Check] = (),
        root_path: str = "",
        other: ASGIApp | None = None,
    ) -> None:
        """`root_path`: the path prefix for clients, unless the scope has one. `other` handles
        scopes that are no HTTP requests.
        """
        self._handle = handle
        self._observer = observer
        self._timeout = timeout
        self._authenticate = authenticate
        self._admission = admission
        self._checks = checks
        self._caller_checks = caller_checks
        self._root_path = root_path
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            assert self._other is not None
            await self._other(scope, receive, send)
            return
        exchange = Exchange(scope, receive, time.monotonic() + self._timeout.seconds)
        exchange.prefix = scope.get(SAID, self._root_path)
        current.set(exchange)
        self._observer.begin(exchange)
        self._timeout.begin(exchange)
        try:
            response = await self._answer(exchange)
            if response is not None:
                exchange.status = response.status_code
                response.raw_headers += exchange.answer_headers
                harden(response.raw_headers)
                # In one message if our own server reads it: the protocol's two cost more.
                if CONNECTION in scope and type(response).__call__ is Response.__call__:
                    await send(
                        {
                            "type": "http.response.start",
                            "status": response.status_code,
                            "headers": response.raw_headers,
                            "body": response.body,
                        }
                    )
                else:
                    await response(scope, receive, send)
        finally:
            if exchange.share is not None:
                self._admission.leave(exchange, exchange.share)
            self._observer.end(exchange)
        if exchange.rest is not None:
            await exchange.rest(receive, send)

    async def _answer(self, exchange: Exchange) -> Response | None:
        """Return the response, None if the client is gone."""
        try:
            for check in self._checks:
                if (response := check(exchange)) is not None:
                    return response
            if (token := self._authenticate.token_of(exchange)) is not None:
                await self._authenticate.verify(exchange, token)
            for check in self._caller_checks:
                if (response := check(exchange)) is not None:
                    return response
            exchange.share = self._admission.enter(exchange)
            return await self._handle(exchange)
        except ClientDisconnect:
            return None
        except asyncio.CancelledError:
            if not exchange.cancelled:
                raise
            problem = self._timeout.problem(exchange)
            return None if problem is None else answer(problem)
        except Exception as error:  # noqa: BLE001 - logged by problem_of
            return answer(problem_of(error))
        finally:
            self._timeout.end(exchange)
