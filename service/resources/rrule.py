"""Parse RRULE values of RFC 5545, section 3.3.10, with at most one occurrence a day."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

MAX_CHARACTERS = 255
MAX_INTERVAL = 1000
MAX_COUNT = 10_000

_PARTS = (
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYDAY",
    "BYMONTHDAY",
    "BYMONTH",
    "BYSETPOS",
    "WKST",
)
_WITHIN_A_DAY = ("BYHOUR", "BYMINUTE", "BYSECOND")
_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BYDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,5}", re.ASCII)
_UNTIL = re.compile(r"([0-9]{8})(T[0-9]{6}Z)?", re.ASCII)


class RecurrenceError(ValueError):
    """The rule cannot be used. The message explains why, to the person who typed it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The parts of a rule; empty if it lacks them."""

    frequency: str
    """DAILY, WEEKLY, MONTHLY or YEARLY."""
    interval: int = 1
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    """1 is a month's first day, -1 its last."""
    weekdays: frozenset[tuple[int, int]] = frozenset()
    """(0, 2) is every Wednesday, (1, 2) the first of a month or year, (-1, 2) the last."""
    positions: frozenset[int] = frozenset()
    week_start: int = 0
    count: int | None = None
    until: date | None = None
    """A date, or a datetime in UTC."""


def parse(text: str) -> Rule:
    """Parse a rule. Raises RecurrenceError."""
    parts = _parts(text)
    frequency = parts.get("FREQ", "")
    if frequency not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        raise RecurrenceError("FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY")
    rule = Rule(
        frequency,
        interval=_number("INTERVAL", parts.get("INTERVAL", "1"), 1, MAX_INTERVAL),
        months=_numbers("BYMONTH", parts, 12, signed=False),
        month_days=_numbers("BYMONTHDAY", parts, 31),
        weekdays=_weekdays(parts),
        positions=_numbers("BYSETPOS", parts, 366),
        week_start=_week_start(parts.get("WKST", "MO")),
        count=_number("COUNT", parts["COUNT"], 1, MAX_COUNT) if "COUNT" in parts else None,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
    )
    _check_together(rule)
    return rule


def _parts(text: str) -> dict[str, str]:
    if len(text) > MAX_CHARACTERS:
        raise RecurrenceError(f"Must be {MAX_CHARACTERS} characters or fewer")
    parts: dict[str, str] = {}
    for part in text.upper().split(";"):
        name, _, value = part.partition("=")
        if name.startswith("RRULE:"):
            raise RecurrenceError("Must be the value alone, without RRULE:")
        if name in _WITHIN_A_DAY:
            raise RecurrenceError(f"{name} is not supported: a task is due once a day at most")
        if name not in _PARTS or not value:
            raise RecurrenceError(
                f"Must be parts like FREQ=WEEKLY;BYDAY=MO,WE, of {', '.join(_PARTS)}"
            )
        if name in parts:
            raise RecurrenceError(f"{name} must stand once")
        parts[name] = value
    return parts


def _check_together(rule: Rule) -> None:
    if rule.count is not None and rule.until is not None:
        raise RecurrenceError("COUNT and UNTIL cannot stand together")
    if rule.frequency == "WEEKLY" and rule.month_days:
        raise RecurrenceError("BYMONTHDAY cannot stand with FREQ=WEEKLY")
    if rule.frequency in ("DAILY", "WEEKLY") and any(number for number, _ in rule.weekdays):
        raise RecurrenceError(f"BYDAY cannot have numbers with FREQ={rule.frequency}: MO, not 1MO")
    if rule.positions and not (rule.months or rule.month_days or rule.weekdays):
        raise RecurrenceError("BYSETPOS needs BYDAY, BYMONTHDAY or BYMONTH")
    # The most days that one day, week or month of the rule can have.
    most = {"DAILY": 1, "WEEKLY": len(rule.weekdays) or 1, "MONTHLY": 31, "YEARLY": 366}
    if any(abs(position) > most[rule.frequency] for position in rule.positions):
        raise RecurrenceError("BYSETPOS is beyond the days that the rule has")


def _number(name: str, text: str, least: int, most: int) -> int:
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise RecurrenceError(f"{name} must be {least} to {most}")
    return int(text)


def _numbers(name: str, parts: dict[str, str], most: int, *, signed: bool = True) -> frozenset[int]:
    if name not in parts:
        return frozenset()
    texts = parts[name].split(",")
    numbers = [int(text) if _NUMBER.fullmatch(text) else 0 for text in texts]
    if not all(1 <= (abs(number) if signed else number) <= most for number in numbers):
        backwards = f" or -{most} to -1" if signed else ""
        raise RecurrenceError(f"{name} must be numbers of 1 to {most}{backwards}")
    return frozenset(numbers)


def _weekdays(parts: dict[str, str]) -> frozenset[tuple[int, int]]:
    found = set()
    # A month has five Mondays at most, a year 53.
    most = 53 if parts["FREQ"] == "YEARLY" and "BYMONTH" not in parts else 5
    for text in parts["BYDAY"].split(",") if "BYDAY" in parts else ():
        day = _BYDAY.fullmatch(text)
        if not day or (day[1] and not 1 <= abs(int(day[1])) <= most):
            raise RecurrenceError(f"BYDAY must be MO to SU, or 1MO to {most}SU, -1MO to -{most}SU")
        found.add((int(day[1] or 0), _WEEKDAYS.index(day[2])))
    return frozenset(found)


def _week_start(text: str) -> int:
    if text not in _WEEKDAYS:
        raise RecurrenceError("WKST must be MO, TU, WE, TH, FR, SA or SU")
    return _WEEKDAYS.index(text)


def _until(text: str) -> date:
    form = _UNTIL.fullmatch(text)
    try:
        if form and form[2]:
            return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if form:
            return date.fromisoformat(text)
    except ValueError:  # the 31st of April
        pass
    raise RecurrenceError("UNTIL must be a date, 20261231, or in UTC, 20261231T235959Z")
