"""Logs: one line an event on standard error, JSON for machines or text for people, each with its request's id."""

import logging
import sys
import time
import traceback
from datetime import UTC, datetime

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..settings import LogSettings
from ..web.context import request_id

access = logging.getLogger("service.access")


class JsonLines(logging.Formatter):
    """A JSON object a line. What `extra={"fields": {…}}` holds stands beside the usual members."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        document: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            document["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return msgspec.json.encode(document).decode()


class TextLines(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line of text, a traceback below it."""
        fields = "".join(f" {name}={value}" for name, value in getattr(record, "fields", {}).items())
        message = _printable(record.getMessage())
        line = f"{_time(record)} {record.levelname:7} {record.name} [{request_id.get()}] {message}{fields}"
        return f"{line}\n{''.join(traceback.format_exception(*record.exc_info))}".rstrip() if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _printable(message: str) -> str:
    """A message cannot forge a second line or steer a terminal."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in message)


def configure(settings: LogSettings) -> None:
    """Send every logger's records, uvicorn's too, to standard error in the format that is set."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    logging.getLogger("yoyo").setLevel(logging.WARNING)  # the command prints what it applied


class AccessLog:
    """One line a request, when its answer is out: method, path, route, status, milliseconds."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not access.isEnabledFor(logging.INFO):
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        finally:
            route = scope.get("route")
            fields = {
                "method": scope["method"],
                "route": getattr(route, "path", None),
                "status": status,
                "duration_ms": round((time.perf_counter() - started) * 1000, 3),
            }
            access.info("%s %s", scope["method"], scope["path"], extra={"fields": fields})
