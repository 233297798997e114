"""The types of a task's members in requests."""

import re
from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ..web.input import BLANKS, NO_NUL, NOT_BLANK, Rule
from . import due, rrule

UserId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        examples=["alice"],
        description="The user: the subject (`sub`) of the token.",
    ),
]
TaskId = Annotated[
    UUID,
    Field(
        examples=["0198c2f4-6a00-7d3e-9b51-2f8f3b6f7d10"],
        description="The task's id. Hyphens may be omitted; letters may be of either case.",
    ),
]
Title = Annotated[str, Field(min_length=1, max_length=255), NOT_BLANK]
Description = Annotated[str, Field(max_length=2000), NO_NUL]
Priority = Literal["low", "medium", "high"]

_CONTROLS = r"\u0000-\u001f\u007f-\u009f"
_TAG = rf"^[^{BLANKS}{_CONTROLS}]([^{_CONTROLS}]*[^{BLANKS}{_CONTROLS}])?$"
_is_tag: Callable[[str], object] = re.compile(_TAG).match


def _tag(text: str) -> str:
    if not _is_tag(text) or text.endswith("\n"):
        raise PydanticCustomError(
            "tag", "Must have no control characters, and no blanks at its ends"
        )
    return text


def _no_tag_twice(tags: list[str]) -> list[str]:
    if len(set(tags)) < len(tags):
        raise PydanticCustomError("repeated", "Must have no tag twice")
    return tags


Tag = Annotated[str, Field(min_length=1, max_length=50), Rule(_tag, _TAG)]
Tags = Annotated[
    list[Tag],
    Field(max_length=20, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_no_tag_twice),
]
DueDate = Annotated[
    str,
    Field(max_length=40, json_schema_extra={"format": "due-date"}),
    Rule(due.check, due.PATTERN),
]
TimeZone = Annotated[
    str,
    Field(min_length=1, max_length=64, json_schema_extra={"format": "time-zone"}),
    Rule(due.check_zone, r"^[A-Za-z0-9+_/-]+$"),
]


def _recurrence(text: str) -> str:
    try:
        rrule.parse(text)
    except rrule.RecurrenceError as error:
        raise PydanticCustomError("recurrence", "{words}", {"words": str(error)}) from None
    return text


Recurrence = Annotated[
    str,
    Field(
        min_length=1, max_length=rrule.MAX_CHARACTERS, json_schema_extra={"format": "recurrence"}
    ),
    Rule(_recurrence, r"^[A-Za-z0-9=;,+-]+$"),
]
Position = Annotated[float, Field(allow_inf_nan=False)]
