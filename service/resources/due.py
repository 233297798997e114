"""Due dates: a date, the same in every time zone, or an instant; and time zones.

A date is stored as its midnight in UTC with a flag, so that one column sorts and filters both
kinds.
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
"""The accepted range of dates, in UTC, which every client and driver can read."""

# RFC 3339, section 5.6, without leap seconds: Python has none.
_YEAR = r"(?:19[7-9][0-9]|[2-9][0-9]{3})"
_DAY = r"-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
_OFFSET = r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
PATTERN = f"^{_YEAR}{_DAY}(?:[Tt]{_TIME}{_OFFSET})?$"

_FORM = re.compile(rf"[0-9]{{4}}{_DAY}(?:[Tt]{_TIME}{_OFFSET})?\Z", re.ASCII)


class Stored(NamedTuple):
    """A due date as stored in columns."""

    due_at: datetime | None
    due_all_day: bool


def parse(text: str) -> date:
    """Parse a date, or an RFC 3339 date-time into a datetime in UTC. Raises PydanticCustomError.

    Fractions of a second are truncated to microseconds.
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
    """Return the text if `parse` accepts it. Raises what `parse` raises."""
    parse(text)
    return text


def stored(due: date | None) -> Stored:
    """Return the values of the columns."""
    if due is None or isinstance(due, datetime):
        return Stored(due, due_all_day=False)
    return Stored(datetime(due.year, due.month, due.day, tzinfo=UTC), due_all_day=True)


def loaded(due_at: datetime | None, due_all_day: bool) -> date | None:  # noqa: FBT001 - a row's
    """Return a row's due date, as `parse` does."""
    return due_at.date() if due_at is not None and due_all_day else due_at


def shown(due_at: datetime | None, due_all_day: bool) -> datetime | str | None:  # noqa: FBT001
    """Return a row's due date for the encoder, of the kind that was sent."""
    if due_at is None:
        return None
    return due_at.date().isoformat() if due_all_day else instant(due_at)


def check_zone(name: str) -> str:
    """Return the name if it is a time zone's. Raises PydanticCustomError."""
    if name not in zones():
        raise PydanticCustomError("time_zone", "Must be an IANA time zone, like Europe/Berlin")
    return name


def zone_of(name: str | None) -> ZoneInfo | None:
    """Return the time zone of a name that passed `check_zone`."""
    return None if name is None else ZoneInfo(name)


@cache
def zones() -> frozenset[str]:
    """Return the names of the IANA database installed with the service, the same on every
    machine.
    """
    return frozenset(files("tzdata").joinpath("zones").read_text().split())


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.upper()).astimezone(UTC)
