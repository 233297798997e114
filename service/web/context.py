"""What belongs to the request being handled, for those who are not handed the request."""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id in X-Request-Id, in a problem's `instance`, and in every log line; `-` outside a request."""
