"""Due dates: a day, which is that day wherever the reader is, or an instant; and time zones.

A day is stored as its first instant in UTC with a mark beside it, so that one column orders and
filters both kinds.
"""

import re
from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

from ..web.replies import instant

FIRST, LAST = date(1970, 1, 1), date(9999, 12, 31)
"""The days that are taken, in UTC: what every client and driver can read."""

# RFC 3339, section 5.6, without leap seconds: no clock of ours shows one.
_YEAR = r"(?:19[7-9][0-9]|[2-9][0-9]{3})"
_DAY = r"-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
_OFFSET = r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
PATTERN = f"^{_YEAR}{_DAY}(?:[Tt]{_TIME}{_OFFSET})?$"

_FORM = re.compile(rf"[0-9]{{4}}{_DAY}(?:[Tt]{_TIME}{_OFFSET})?\Z", re.ASCII)


class Stored(NamedTuple):
    """A due date as the row has it."""

    due_at: datetime | None
    due_all_day: bool


def parse(text: str) -> date:
    """Read a date, or an RFC 3339 date-time as a datetime in UTC. Raises PydanticCustomError.

    Of a fraction of a second microseconds are kept.
    """
    try:
        if not _FORM.match(text):
            raise ValueError
        due = date.fromisoformat(text) if len(text) == 10 else _instant(text)
        if not FIRST <= (due.date() if isinstance(due, datetime) else due) <= LAST:
            raise OverflowError
        return due
    except OverflowError:
        raise PydanticCustomError("due_range", "Must be in the years 1970 to 9999") from None
    except ValueError:
        raise PydanticCustomError(
            "due_date",
            "Must be a date, 2026-03-01, or a date-time with an offset, 2026-03-01T09:00:00+01:00",
        ) from None


def check(text: str) -> str:
    """Return the text if `parse` reads it, and raise what it raises."""
    parse(text)
    return text


def stored(due: date | None) -> Stored:
    """Return what the row is to have."""
    if due is None or isinstance(due, datetime):
        return Stored(due, due_all_day=False)
    return Stored(datetime(due.year, due.month, due.day, tzinfo=UTC), due_all_day=True)


def loaded(due_at: datetime | None, due_all_day: bool) -> date | None:  # noqa: FBT001 - a row's
    """Return what a row has, as `parse` would."""
    return due_at.date() if due_at is not None and due_all_day else due_at


def shown(due_at: datetime | None, due_all_day: bool) -> datetime | str | None:  # noqa: FBT001
    """Return what a row has for the encoder: of the kind that was sent."""
    if due_at is None:
        return None
    return due_at.date().isoformat() if due_all_day else instant(due_at)


def check_zone(name: str) -> str:
    """Return the name if it is one of a time zone. Raises PydanticCustomError."""
    if name not in zones():
        raise PydanticCustomError("time_zone", "Must be an IANA time zone, like Europe/Berlin")
    return name


def zone_of(name: str | None) -> ZoneInfo | None:
    """Return the time zone of a name that `check_zone` has let pass."""
    return None if name is None else ZoneInfo(name)


@cache
def zones() -> frozenset[str]:
    """Return the names of the IANA database that is installed with the service, the same ones on
    every machine.
    """
    return frozenset(files("tzdata").joinpath("zones").read_text().split())


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.upper()).astimezone(UTC)
