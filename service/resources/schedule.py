"""What due date, time zone and recurrence must be to each other."""

from datetime import date, datetime

from ..web.problem_types import Invalid
from . import due, recurrence
from .rrule import RecurrenceError


def check(
    due_date: date | None, time_zone: str | None, rule: str | None, pointer: str = ""
) -> None:
    """Raise Invalid, with pointers below `pointer`, for what cannot stand together.

    A time zone is for an instant; a rule is for a due date, after which it must occur again.
    """
    if time_zone is not None and not isinstance(due_date, datetime):
        raise _invalid(pointer, "time_zone", "Must come with a due_date that has a time")
    if rule is None:
        return
    if due_date is None:
        raise _invalid(pointer, "recurrence", "Must come with a due_date")
    try:
        recurrence.check(rule, due_date, due.zone_of(time_zone))
    except RecurrenceError as error:
        raise _invalid(pointer, "recurrence", str(error)) from None


def _invalid(pointer: str, member: str, detail: str) -> Invalid:
    return Invalid([{"pointer": f"{pointer}/{member}", "detail": detail, "code": member}])
