"""Recurrence: next due dates follow RFC 5545, and a hostile rule costs next to nothing."""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule as dateutil
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from service.resources import recurrence
from service.resources.recurrence import HORIZON_YEARS, check, successor
from service.resources.rrule import RecurrenceError, parse

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 3, 2)


def chain(text: str, due: date, zone: ZoneInfo | None = None, most: int = 10) -> list[date]:
    """The due dates of a task and its successors, `most` at most."""
    found = [due]
    while len(found) < most and (following := successor(text, found[-1], zone)):
        found.append(following[0])
        text = following[1]
    return found


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("FREQ=DAILY", "2026-02-27", "02-28 03-01 03-02"),
        ("FREQ=DAILY;INTERVAL=3", "2026-02-27", "03-02 03-05"),
        ("FREQ=WEEKLY", "2026-03-02", "03-09 03-16"),
        ("FREQ=WEEKLY;BYDAY=MO,WE", "2026-03-02", "03-04 03-09 03-11"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "2026-03-02", "03-04 03-16 03-18"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=MO", "2026-03-02", "03-08 03-16 03-22"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU", "2026-03-02", "03-15 03-16 03-29"),
        ("FREQ=WEEKLY;BYDAY=MO,WE;BYSETPOS=1", "2026-03-03", "03-09 03-16"),
        ("FREQ=MONTHLY", "2026-01-31", "03-31 05-31 07-31 08-31"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31", "02-28 03-31 04-30"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "2026-03-02", "03-27 04-24"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-01-30", "02-27 03-31"),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "2026-03-13", "11-13"),
        ("FREQ=YEARLY", "2026-03-02", "2027-03-02 2028-03-02"),
        ("FREQ=YEARLY", "2024-02-29", "2028-02-29 2032-02-29"),
        ("FREQ=YEARLY", "2096-02-29", "2104-02-29"),
        ("FREQ=YEARLY;BYMONTH=5;BYDAY=2SU", "2026-05-10", "2027-05-09"),
        ("FREQ=YEARLY;BYDAY=-1MO", "2026-03-02", "12-28 2027-12-27"),
        ("freq=weekly;byday=tu", "2026-03-02", "03-03"),
    ],
)
def test_next_due_dates_follow_the_rule(text: str, start: str, expected: str) -> None:
    """Days that do not exist are skipped, weeks begin on WKST, and -1 is the last."""
    days = [
        date.fromisoformat(day if len(day) == 10 else f"2026-{day}") for day in expected.split()
    ]
    assert chain(text, date.fromisoformat(start), most=len(days) + 1)[1:] == days


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("FREQ=DAILY;COUNT=3", 3),
        ("FREQ=DAILY;COUNT=1", 1),
        ("COUNT=2;FREQ=DAILY", 2),
        ("FREQ=DAILY;UNTIL=20260304", 3),
        ("FREQ=DAILY;UNTIL=20260302", 1),
        ("FREQ=DAILY;UNTIL=20200101", 1),
    ],
)
def test_count_and_until_end_a_rule(text: str, dates: int) -> None:
    """COUNT and UNTIL, which is inclusive, say how many tasks there are, the first one included."""
    assert len(chain(text, MONDAY)) == dates
    check(text, MONDAY, None)


def test_a_successors_count_is_one_less() -> None:
    """A successor's rule counts one less, and is otherwise to the letter what it was."""
    following = successor("freq=DAILY;COUNT=10;BYDAY=MO,TU", MONDAY, None)
    assert following == (MONDAY + timedelta(1), "freq=DAILY;COUNT=9;BYDAY=MO,TU")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "due", "zone", "expected"),
    [
        # The clock shows nine on both sides of the change, forth and back.
        ("FREQ=DAILY", "2026-03-28T09:00+01:00", "Europe/Berlin", "2026-03-29T09:00+02:00"),
        ("FREQ=DAILY", "2026-10-24T09:00+02:00", "Europe/Berlin", "2026-10-25T09:00+01:00"),
        ("FREQ=WEEKLY", "2026-03-07T09:00-05:00", "America/New_York", "2026-03-14T09:00-04:00"),
        # 02:30 does not exist on 29 March, and exists twice on 25 October: the first counts.
        ("FREQ=DAILY", "2026-03-28T02:30+01:00", "Europe/Berlin", "2026-03-30T02:30+02:00"),
        ("FREQ=DAILY", "2026-10-24T02:30+02:00", "Europe/Berlin", "2026-10-25T02:30+02:00"),
        ("FREQ=DAILY", "2026-10-25T02:30+02:00", "Europe/Berlin", "2026-10-26T02:30+01:00"),
        ("FREQ=DAILY", "2026-10-25T02:30+01:00", "Europe/Berlin", "2026-10-26T02:30+01:00"),
        # Samoa had no 30 December 2011.
        ("FREQ=DAILY", "2011-12-29T12:00-10:00", "Pacific/Apia", "2011-12-31T12:00+14:00"),
        # Which day it is depends on the clock: Monday in Auckland is Sunday in UTC.
        (
            "FREQ=WEEKLY;BYDAY=MO",
            "2026-03-02T08:00+13:00",
            "Pacific/Auckland",
            "2026-03-09T08:00+13:00",
        ),
        ("FREQ=MONTHLY", "2026-01-31T23:30-05:00", "America/New_York", "2026-03-31T23:30-04:00"),
        # Without a zone the clock is UTC's.
        ("FREQ=DAILY", "2026-03-28T09:00+01:00", None, "2026-03-29T08:00+00:00"),
    ],
)
def test_an_instant_keeps_its_local_time(
    text: str, due: str, zone: str | None, expected: str
) -> None:
    """The next instant is the one at which the clock of the zone shows the same time of day."""
    following = successor(text, at(due), ZoneInfo(zone) if zone else None)
    assert following is not None
    assert following[0] == at(expected)


@pytest.mark.parametrize(
    ("until", "more"),
    [
        ("20260303", True),
        ("20260302", False),
        ("20260303T070000Z", True),
        ("20260303T065959Z", False),
    ],
)
def test_until_as_a_date_ends_with_the_local_day(until: str, more: bool) -> None:
    """UNTIL as a date ends with that day on the clock of the zone, as an instant with itself."""
    due = datetime(2026, 3, 2, 8, tzinfo=BERLIN).astimezone(UTC)
    assert (successor(f"FREQ=DAILY;UNTIL={until}", due, BERLIN) is not None) == more


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FREQ=SECONDLY", "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("FREQ=HOURLY;INTERVAL=25", "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("INTERVAL=2", "FREQ must be DAILY, WEEKLY, MONTHLY or YEARLY"),
        ("FREQ=DAILY;BYHOUR=8,20", "BYHOUR is not supported"),
        ("FREQ=DAILY;COUNT=10000000", "COUNT must be 1 to 10000"),
        ("FREQ=DAILY;COUNT=0", "COUNT must be 1 to 10000"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL must be 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=" + "9" * 200, "INTERVAL must be 1 to 1000"),
        ("FREQ=WEEKLY;BYDAY=" + ",".join(["MO"] * 10_000), "255 characters or fewer"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY must be MO to SU"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY cannot have numbers with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYDAY=6MO", "1MO to 5SU"),
        ("FREQ=YEARLY;BYDAY=54MO", "1MO to 53SU"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY must be numbers of 1 to 31 or -31 to -1"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY must be numbers of 1 to 31"),
        ("FREQ=MONTHLY;BYMONTH=-1", "BYMONTH must be numbers of 1 to 12"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY cannot stand with FREQ=WEEKLY"),
        ("FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=3", "BYSETPOS is beyond"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS needs"),
        ("FREQ=DAILY;WKST=1", "WKST must be"),
        ("FREQ=DAILY;UNTIL=2026-03-01", "UNTIL must be a date, 20261231"),
        ("FREQ=DAILY;UNTIL=20260431", "UNTIL must be a date, 20261231"),
        ("FREQ=DAILY;UNTIL=20260301T000000", "UNTIL must be a date, 20261231"),
        ("FREQ=DAILY;UNTIL=20260401;COUNT=3", "COUNT and UNTIL cannot stand together"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ must stand once"),
        ("FREQ=DAILY;", "Must be parts like FREQ=WEEKLY"),
        ("FREQ=DAILY;BYEASTER=1", "Must be parts like FREQ=WEEKLY"),
        ("RRULE:FREQ=DAILY", "without RRULE:"),
        ("", "Must be parts like FREQ=WEEKLY"),
        ("every monday", "Must be parts like FREQ=WEEKLY"),
        ("FREQ=DAILY;UNTIL=20260401T000000Z", "UNTIL must be a date, as due_date is"),
    ],
)
def test_a_rule_that_is_not_supported_is_refused(text: str, words: str) -> None:
    """A rule that cannot be carried out is refused, with how to write it."""
    with pytest.raises(RecurrenceError, match=words):
        check(text, MONDAY, None)


NEVER = [
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;INTERVAL=7;BYDAY=TU,WE,TH,FR,SA,SU",
    "FREQ=DAILY;INTERVAL=999;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
    "FREQ=WEEKLY;INTERVAL=104;BYMONTH=9",
    "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=20",
    "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6",
    "FREQ=MONTHLY;INTERVAL=12;BYMONTH=5",
    "FREQ=MONTHLY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;BYMONTH=4,6,9,11;BYMONTHDAY=31",
    "FREQ=YEARLY;BYDAY=1MO;BYMONTHDAY=20",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;INTERVAL=1000",
    "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=366;INTERVAL=4",
]


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of recurrence.py that takes: a measure of work that no clock has a say in."""
    count = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename != recurrence.__file__:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("text", NEVER)
def test_a_rule_that_never_occurs_is_refused_in_bounded_steps(text: str) -> None:
    """A rule without an occurrence is refused, whatever it looks like, and with bounded work."""

    def refused() -> None:
        with pytest.raises(RecurrenceError, match="Must occur again within 100 years"):
            check(text, MONDAY, None)

    assert lines_run(refused) < 12_000


def test_a_rule_within_the_skipped_hour_is_refused() -> None:
    """A rule whose every occurrence falls into the hour that summer time skips never occurs."""
    due = datetime(2026, 7, 1, 2, 30, tzinfo=BERLIN).astimezone(UTC)
    with pytest.raises(RecurrenceError, match="Must occur again"):
        check("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU", due, BERLIN)


def test_nothing_is_due_after_the_year_9999() -> None:
    """Nothing is due after the year 9999."""
    assert successor("FREQ=DAILY", date(9999, 12, 30), None) == (date(9999, 12, 31), "FREQ=DAILY")
    assert successor("FREQ=DAILY", date(9999, 12, 31), None) is None
    last = datetime(9999, 12, 31, 23, tzinfo=UTC)
    assert successor("FREQ=DAILY", last, None) is None
    assert successor("FREQ=DAILY", last, ZoneInfo("Pacific/Kiritimati")) is None


DAYS = st.dates(date(1970, 1, 1), date(2200, 1, 1))
PLAIN = st.lists(
    st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, max_size=4
)


@cache
def number(least: int, most: int) -> st.SearchStrategy[str]:
    return st.integers(least, most).filter(bool).map(str)


@cache
def numbers(least: int, most: int) -> st.SearchStrategy[str]:
    one = number(least, most)
    return st.lists(one, min_size=1, max_size=3, unique=True).map(",".join)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Rules of every kind that dateutil and we are to agree on."""
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 12))}"]
    by = by_month = draw(st.booleans())
    if by_month:
        parts.append(f"BYMONTH={draw(numbers(1, 12))}")
    if frequency != "WEEKLY" and draw(st.booleans()):
        parts.append(f"BYMONTHDAY={draw(numbers(-31, 31))}")
        by = True
    if draw(st.booleans()):
        # dateutil takes numbered and plain days together for days that are both.
        days = draw(PLAIN)
        if frequency in ("MONTHLY", "YEARLY") and draw(st.booleans()):
            most = 53 if frequency == "YEARLY" and not by_month else 5
            days = [f"{draw(number(-most, most))}{day}" for day in days]
        parts.append(f"BYDAY={','.join(days)}")
        by = True
    # Of the week that the start is in dateutil sees only what is left of it.
    if by and frequency != "WEEKLY" and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(numbers(-5, 5))}")
    parts.append(f"WKST={draw(st.sampled_from(['MO', 'SU', 'WE']))}")
    return ";".join(parts)


@settings(max_examples=200, deadline=None)
@given(rules(), DAYS)
def test_random_rules_have_dateutils_days(text: str, start: date) -> None:
    """For rules of every kind the days after the start are those that dateutil finds."""
    try:
        rule = parse(text)
    except RecurrenceError:
        reject()
    ours = list(islice(recurrence.days(rule, start), 8))
    # dateutil looks on until the year 9999 where we end after HORIZON_YEARS; an end it never sees.
    assume(len(ours) == 8)
    begin = datetime.combine(start, time.min)
    theirs = (day.date() for day in dateutil.rrulestr(text, dtstart=begin))
    assert ours == list(islice((day for day in theirs if day > start), 8))


@settings(max_examples=200, deadline=None)
@given(
    rules(),
    DAYS,
    st.times(),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_random_instants_keep_their_local_time(
    text: str, start: date, at_time: time, name: str
) -> None:
    """An instant's successors are later, within bounds, and at the same time of the clock, however
    far the sequence goes.
    """
    zone = ZoneInfo(name)
    wall = datetime.combine(start, at_time)
    due = wall.replace(tzinfo=zone).astimezone(UTC)
    shown = due.astimezone(zone).time()
    try:
        dates = chain(text, due, zone, most=6)
    except RecurrenceError:
        reject()
    assert all(isinstance(one, datetime) for one in dates)
    assert dates == sorted(set(dates))
    assert {one.astimezone(zone).time() for one in dates if isinstance(one, datetime)} == {shown}
    assert all(b.year - a.year <= HORIZON_YEARS for a, b in pairwise(dates))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="FREQ=DAILYWKMONT;BY,1-+0 \x00é", max_size=60), DAYS)
def test_any_text_is_a_rule_or_refused(text: str, start: date) -> None:
    """Whatever the text, it is a rule or refused with a message."""
    try:
        check(text, start, None)
    except RecurrenceError as refused:
        assert str(refused)
