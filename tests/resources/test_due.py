"""Due dates and time zones: stored values return in the same kind, in canonical form."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from service.resources import due


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-03-01", "2026-03-01"),
        ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00.000000Z"),
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00.000000Z"),
        ("2026-03-01t09:00:00z", "2026-03-01T09:00:00.000000Z"),
        ("2026-03-01T09:00:00.5+01:30", "2026-03-01T07:30:00.500000Z"),
        ("2026-03-01T09:00:00.123456789-12:00", "2026-03-01T21:00:00.123456Z"),
    ],
)
def test_days_stay_days_and_instants_are_utc(text: str, shown: str) -> None:
    """A day stays a day, and an instant comes in UTC with microseconds."""
    row = due.stored(due.parse(text))
    written = due.shown(*row)
    if isinstance(written, datetime):  # the encoder writes those that have microseconds
        written = written.isoformat().replace("+00:00", "Z")
    assert written == shown
    assert due.loaded(*row) == due.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30",
        "2026-13-01",
        "2026-3-1",
        "20260301",
        "2026-03-01\n",
        "2026-03-01T09:00:00",
        "2026-03-01T09:00Z",
        "2026-03-01 09:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T23:59:60Z",
        "2026-03-01T09:00:00+24:00",
        "2026-W09-7",
        "tomorrow",
        "",
        "\uff12026-03-01",
    ],
)
def test_malformed_due_dates_are_refused_with_examples(text: str) -> None:
    """What is neither a date nor a date-time with an offset is refused with an example of both."""
    with pytest.raises(PydanticCustomError, match="Must be a date, 2026-03-01, or a date-time"):
        due.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "1969-12-31",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "1970-01-01T00:00:00+01:00",
    ],
)
def test_years_that_clients_cannot_read_are_refused(text: str) -> None:
    """A due date outside the years that every client can read is refused."""
    with pytest.raises(PydanticCustomError, match="years 1970 to 9999"):
        due.parse(text)


INSTANTS = st.integers(0, 253402300799999999).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


@given(INSTANTS)
def test_accepted_due_dates_round_trip(instant: datetime) -> None:
    """Every accepted instant comes back to the microsecond, and every day as the same day."""
    assert due.loaded(*due.stored(due.parse(instant.isoformat()))) == instant
    day = instant.date()
    assert due.loaded(*due.stored(due.parse(day.isoformat()))) == day
    assert due.stored(date(2026, 3, 1)).due_at == datetime(2026, 3, 1, tzinfo=UTC)


def test_no_due_date_is_null() -> None:
    """No due date is stored as none and shown as none."""
    assert due.shown(*due.stored(None)) is None
    assert due.loaded(*due.stored(None)) is None


def test_every_iana_name_is_a_time_zone_and_nothing_else() -> None:
    """Every name of the IANA database is a zone that can be loaded, and nothing else is a name."""
    for name in due.zones():
        assert due.zone_of(due.check_zone(name)) is not None
    for name in (
        "Mars/Olympus",
        "europe/berlin",
        "../etc/passwd",
        "CEST",
        "+01:00",
        "",
        "localtime",
        "\x00",
    ):
        with pytest.raises(PydanticCustomError, match="Must be an IANA time zone"):
            due.check_zone(name)
    assert due.zone_of(None) is None
