"""Log to standard error, one line an event, as JSON or text, each with its request's id.

A request's line has its route, not its path or query, which have user ids and other data of
clients; LOG_LEVEL=debug adds the path. Tokens, claims, bodies and values of statements are never
logged.
"""

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from ..settings import LogSettings
from ..web.exchange import exchange, request_id
from .output import Output

STDERR = Output(2)

_RUN = re.compile(r"[\w.-]+")
_COLOURS = {"debug": 2, "warning": 33, "error": 31, "critical": 31}

_encode = msgspec.json.Encoder().encode
_STEERING = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]")


class Statement(msgspec.Struct, omit_defaults=True):
    """One try of a statement, in the line of its request. `wait_ms`: for a connection; `ms`: after
    that. With `tries` it is the sum of so many.
    """

    name: str
    wait_ms: float
    ms: float
    rows: int
    sqlstate: str = ""
    tries: int = 1

    def __str__(self) -> str:
        times = f" x {self.tries}" if self.tries > 1 else ""
        return f"{self.name}{times} {self.wait_ms + self.ms:.1f} ms {self.sqlstate}".rstrip()


class Access(msgspec.Struct, omit_defaults=True):
    """The line of a request."""

    time: datetime
    level: str
    logger: str
    message: str
    request_id: str
    method: str
    route: str
    status: int
    duration_ms: float
    outcome: str
    """`ok`, the slug of the problem in the response, or `client-gone`."""
    token: str = ""
    """Why the request's token was refused: a Reason of auth/refusals."""
    statements: list[Statement] = []
    trace_id: str = ""
    path: str = ""


class JsonLines(logging.Formatter):
    """Formats a JSON object a line, with the members of `extra={"fields": {…}}` added."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        document: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id(),
        }
        if (current := exchange()) is not None and current.trace_id:
            document["trace_id"] = current.trace_id
        document |= getattr(record, "fields", {})
        if record.exc_info:
            document["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return _escaped(_encode(document)).decode()


class TextLines(logging.Formatter):
    """Formats a line of text, for people."""

    def __init__(self, *, colours: bool = False) -> None:
        super().__init__()
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line of text, with a traceback below it."""
        fields = "".join(
            f" {name}={value}" for name, value in getattr(record, "fields", {}).items()
        )
        message = _printable(record.getMessage())
        line = (
            f"{_time(record)} {record.levelname:7} {record.name} [{request_id()}] {message}{fields}"
        )
        if record.exc_info:
            line = f"{line}\n{''.join(traceback.format_exception(*record.exc_info))}".rstrip()
        return self._coloured(line, record.levelname.lower())

    def access(self, line: Access) -> bytes:
        """Return the line of a request."""
        statements = "".join(f", {tried}" for tried in line.statements)
        token = f" (token: {line.token})" if line.token else ""
        said = (
            f"{line.message} {line.outcome}{token} {line.duration_ms:.1f} ms{statements}"
            f" {_printable(line.path)}".rstrip()
        )
        text = (
            f"{line.time:%Y-%m-%dT%H:%M:%S.%fZ} {line.level.upper():7} {line.logger}"
            f" [{line.request_id}] {said}"
        )
        return self._coloured(text, line.level).encode() + b"\n"

    def _coloured(self, line: str, level: str) -> str:
        colour = _COLOURS.get(level) if self._colours else None
        return f"\x1b[{colour}m{line}\x1b[0m" if colour else line


def _json_access(line: Access) -> bytes:
    encoded = _encode(line)
    return (_escaped(encoded) if line.path else encoded) + b"\n"


def _escaped(line: bytes) -> bytes:
    """Return the JSON with U+007F to U+009F, U+2028 and U+2029 escaped: readers may take them for
    ends of lines, or terminals for commands.
    """
    return _STEERING.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), line)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _printable(message: str) -> str:
    """Escape a message, so that it cannot forge a second line or control a terminal."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in message
    )


def without_tokens(path: str) -> str:
    """Return a path with all that looks like a token (RFC 7519) replaced: some clients put theirs
    there.
    """
    # Match complete runs of token characters: a search for `eyJ` alone would scan to the end of the
    # path from each of them.
    return _RUN.sub(lambda run: "(token)" if "." in run[0].partition("eyJ")[2] else run[0], path)


class _Lines(logging.Handler):
    """Writes records to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            STDERR.put(self.format(record).encode("utf-8", "backslashreplace") + b"\n")
        except Exception:  # noqa: BLE001 - a failure to log must not break the caller
            self.handleError(record)

    def flush(self) -> None:  # called when the process ends
        STDERR.flush()


def configure(settings: LogSettings) -> None:
    """Send all loggers' records, uvicorn's too, to standard error in the configured format."""
    handler = _Lines()
    handler.setFormatter(
        JsonLines() if settings.log_format == "json" else TextLines(colours=_in_colour())
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    logging.getLogger("yoyo").setLevel(logging.WARNING)  # the command prints what it applied


def access_log(settings: LogSettings) -> Callable[[Access], None]:
    """Return the function that writes a request's line. It bypasses `logging`, which would cost
    more than all the rest.
    """
    encode = (
        _json_access if settings.log_format == "json" else TextLines(colours=_in_colour()).access
    )
    return lambda line: STDERR.put_soon(encode(line))


def _in_colour() -> bool:
    """Return whether standard error is a terminal, without NO_COLOR (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")
