"""Check due date, time zone and recurrence together."""

from datetime import date, datetime

from ..web.problem_types import Invalid
from . import due, recurrence
from .rrule import RecurrenceError


def check(
    due_date: date | None, time_zone: str | None, rule: str | None, pointer: str = ""
) -> None:
    """Raise Invalid, with pointers below `pointer`, if the three do not fit together.

    A time zone needs an instant; a rule needs a due date, and must occur again after it.
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
