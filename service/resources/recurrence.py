"""Compute the next due date of a recurring task.

Not by a general library: those search until the year 9999 for a rule that never occurs
(`FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30` takes dateutil eight seconds), and keep times that daylight
saving skips. The tests compare the results with dateutil's where the two should agree.

- The rule starts at the task's own due date, which always counts as an occurrence. INTERVAL counts
  from the day, week, month or year of that date.
- `COUNT=n` means this task and n - 1 more. The successor's COUNT is one less; after COUNT=1 there
  is none. So each task's rule says how many follow.
- A date or local time that does not exist (31 April, 29 February, 02:30 when daylight saving
  starts) is skipped (RFC 5545, section 3.3.10). A local time that occurs twice is the first one
  (section 3.3.5).
- UNTIL is inclusive. A date fits any due date, and ends with that day in `time_zone`; an instant
  fits an instant.
- A rule that does not occur again within 100 years is refused.
"""

import calendar
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import chain
from zoneinfo import ZoneInfo

from .rrule import RecurrenceError, Rule, parse

HORIZON_YEARS = 100

_COUNT = re.compile(r"(?<=\bCOUNT=)\+?[0-9]+", re.IGNORECASE | re.ASCII)


def check(text: str, due: date, zone: ZoneInfo | None) -> None:
    """Raise RecurrenceError for a malformed rule, or one that never occurs after `due`.

    UNTIL and COUNT may have ended: so is the rule of a sequence's last task.
    """
    rule = parse(text)
    if isinstance(rule.until, datetime) and not isinstance(due, datetime):
        raise RecurrenceError("UNTIL must be a date, as due_date is: UNTIL=20261231")
    if next(_occurrences(rule, due, zone), None) is None:
        raise RecurrenceError(f"Must occur again within {HORIZON_YEARS} years of due_date")


def successor(text: str, due: date, zone: ZoneInfo | None) -> tuple[date, str] | None:
    """Return the due date after `due`, and the rule from there on; None if the rule has ended.

    `due` is a date, or a datetime in UTC, taken as local time of `zone` (None: UTC); the result is
    of the same kind. Raises RecurrenceError for a malformed rule.
    """
    rule = parse(text)
    following = None if rule.count == 1 else next(_occurrences(rule, due, zone), None)
    if following is None or not _is_before_the_end(rule.until, following, zone):
        return None
    return following, _COUNT.sub(lambda count: str(int(count[0]) - 1), text)


def _is_before_the_end(until: date | None, day: date, zone: ZoneInfo | None) -> bool:
    if until is None:
        return True
    if isinstance(until, datetime):
        return isinstance(day, datetime) and day <= until
    return _on_the_clock(day, zone).date() <= until


def _occurrences(rule: Rule, due: date, zone: ZoneInfo | None) -> Iterator[date]:
    """Yield the occurrences after `due` within HORIZON_YEARS, without UNTIL and COUNT."""
    try:
        start = _on_the_clock(due, zone)
    except OverflowError:  # the last hours of the year 9999
        return
    named = days(rule, start.date())
    if not isinstance(due, datetime):
        yield from named
        return
    for day in named:
        instant = _instant(datetime.combine(day, start.time()), zone)
        if instant is not None:
            yield instant


def _on_the_clock(due: date, zone: ZoneInfo | None) -> datetime:
    if not isinstance(due, datetime):
        return datetime(due.year, due.month, due.day)  # noqa: DTZ001 - a day has no zone
    return due.astimezone(zone or UTC).replace(tzinfo=None)


def _instant(shown: datetime, zone: ZoneInfo | None) -> datetime | None:
    """Return the first instant with this local time, None if it does not exist."""
    try:
        instant = shown.replace(tzinfo=zone or UTC, fold=0).astimezone(UTC)
        return instant if _on_the_clock(instant, zone) == shown.replace(fold=0) else None
    except OverflowError:  # in another year 0 or 10000
        return None


def days(rule: Rule, start: date) -> Iterator[date]:
    """Yield the days of the rule after `start`."""
    origin, last = start.toordinal(), min(start.year + HORIZON_YEARS, date.max.year)
    for day in _NAMED[rule.frequency](_anchored(rule, start), start, last):
        if day > origin:
            yield date.fromordinal(day)


def _anchored(rule: Rule, start: date) -> Rule:
    """Return the rule completed with the parts that default to its start."""
    if rule.month_days or rule.weekdays or rule.frequency == "DAILY":
        return rule
    if rule.frequency == "WEEKLY":
        return replace(rule, weekdays=frozenset({(0, start.weekday())}))
    months = rule.months or ({start.month} if rule.frequency == "YEARLY" else ())
    return replace(rule, months=frozenset(months), month_days=frozenset({start.day}))


# The days of a rule, as ordinals, by frequency, from the beginning of the week, month or year of
# `start` to the end of the year `last`.


def _daily(rule: Rule, start: date, last: int) -> Iterator[int]:
    if rule.interval % 7 == 0 and rule.weekdays:  # always the same day of the week
        if (0, start.weekday()) not in rule.weekdays:
            return
        rule = replace(rule, weekdays=frozenset())
    origin = start.toordinal()
    # A day has one occurrence, so BYSETPOS has no effect.
    for day in _monthly(replace(rule, interval=1, positions=frozenset()), start, last):
        if (day - origin) % rule.interval == 0:
            yield day


def _weekly(rule: Rule, start: date, last: int) -> Iterator[int]:
    first = start.toordinal() - (start.weekday() - rule.week_start) % 7
    offsets = [(day - rule.week_start) % 7 for _, day in rule.weekdays]
    for week in range(first, date(last, 12, 25).toordinal(), 7 * rule.interval):
        days = (week + offset for offset in offsets)
        yield from _chosen(
            rule,
            (day for day in days if not rule.months or date.fromordinal(day).month in rule.months),
        )


def _monthly(rule: Rule, start: date, last: int) -> Iterator[int]:
    kinds: dict[tuple[int, int], list[int]] = {}  # there are 28
    for number in range(start.year * 12 + start.month - 1, (last + 1) * 12, rule.interval):
        year, month = number // 12, number % 12 + 1
        if rule.months and month not in rule.months:
            continue
        first = date(year, month, 1)
        kind = first.weekday(), _length(month, leap=calendar.isleap(year))
        if kind not in kinds:
            kinds[kind] = _chosen(rule, _in_month(rule, *kind))
        if kinds[kind]:
            yield from (first.toordinal() + day for day in kinds[kind])


def _yearly(rule: Rule, start: date, last: int) -> Iterator[int]:
    kinds: dict[tuple[int, bool], list[int]] = {}  # there are 14
    for year in range(start.year, last + 1, rule.interval):
        first = date(year, 1, 1)
        kind = first.weekday(), calendar.isleap(year)
        if kind not in kinds:
            kinds[kind] = _chosen(rule, _in_year(rule, kind[0], leap=kind[1]))
        yield from (first.toordinal() + day for day in kinds[kind])


_NAMED: dict[str, Callable[[Rule, date, int], Iterator[int]]] = {
    "DAILY": _daily,
    "WEEKLY": _weekly,
    "MONTHLY": _monthly,
    "YEARLY": _yearly,
}


def _chosen(rule: Rule, days: Iterable[int]) -> list[int]:
    """Return the days of one week, month or year at the positions of BYSETPOS; all without it."""
    ordered = sorted(days)
    if not rule.positions:
        return ordered
    places = {place - (place > 0) for place in rule.positions}
    return sorted({ordered[at] for at in places if -len(ordered) <= at < len(ordered)})


def _in_month(rule: Rule, weekday: int, length: int) -> frozenset[int]:
    """Return the rule's days, from 0, in a month that begins with that weekday."""
    days = frozenset(range(length))
    if rule.month_days:
        days &= {day - 1 if day > 0 else length + day for day in rule.month_days}
    return days & _on(rule, weekday, length) if rule.weekdays else days


def _in_year(rule: Rule, weekday: int, *, leap: bool) -> frozenset[int]:
    """Return the rule's days, from 0, in a year that begins with that weekday."""
    months: list[frozenset[int]] = []
    # With BYMONTH a numbered weekday counts in the month, without it in the year.
    by_month = rule if rule.months else replace(rule, weekdays=frozenset())
    first = 0
    for month in range(1, 13):
        length = _length(month, leap=leap)
        if not rule.months or month in rule.months:
            days = _in_month(by_month, (weekday + first) % 7, length)
            months.append(frozenset(first + day for day in days))
        first += length
    named = frozenset(chain.from_iterable(months))
    return named & _on(rule, weekday, first) if rule.weekdays and not rule.months else named


def _on(rule: Rule, weekday: int, length: int) -> frozenset[int]:
    """Return the days of BYDAY, from 0, in a month or year that begins with that weekday."""
    found: set[int] = set()
    for number, day in rule.weekdays:
        days = range((day - weekday) % 7, length, 7)
        if number == 0:
            found.update(days)
        elif abs(number) <= len(days):
            found.add(days[number - (number > 0)])
    return frozenset(found)


def _length(month: int, *, leap: bool) -> int:
    return 29 if leap and month == 2 else _LENGTHS[month - 1]


_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
