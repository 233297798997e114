"""Filters and orders of the list of tasks."""

from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlencode

from pydantic import BeforeValidator, ConfigDict, Field

from ..web.cursors import token_field
from ..web.input import NO_NUL, NOT_BLANK, WHOLE, Query, Truth
from . import due
from .members import DueDate, Priority

MAX_OFFSET = 100_000
"""PostgreSQL reads every skipped row; at this offset a page takes about 30 ms."""

Sort = Literal[
    "-created_at", "created_at", "due_date", "priority", "-updated_at", "title", "position"
]


def _plus(text: object) -> object:
    """Turn spaces into `+`, which arrives as a space unless percent-encoded: no date has spaces."""
    return text.replace(" ", "+") if isinstance(text, str) else text


Moment = Annotated[DueDate, BeforeValidator(_plus)]


class TaskQuery(Query):
    """The parameters of a list; a task must match all filters."""

    model_config = ConfigDict(extra="forbid")

    completed: Truth | None = None
    """Only completed tasks, or only open ones."""
    priority: Priority | None = None
    """Only tasks with this priority."""
    tag: Annotated[str, Field(min_length=1, max_length=50), NO_NUL] | None = None
    """Only tasks with exactly this tag."""
    due_after: Moment | None = None
    """Only tasks due then or later: a date, from its start in UTC, or a date-time."""
    due_before: Moment | None = None
    """Only tasks due then or earlier: a date, to its end in UTC, or a date-time."""
    search: Annotated[str, Field(min_length=1, max_length=200), NOT_BLANK] | None = None
    """Only tasks with every one of these words in their title or description, whatever the
    case.
    """
    sort: Sort = "-created_at"
    """The order: newest first, oldest first, by due date (without one last), by priority and then
    due date, latest changed first, by title, or by position (without one last).
    """
    limit: Annotated[int, Field(ge=1, le=100), WHOLE] = 50
    """The most tasks on a page."""
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET), WHOLE] = 0
    """How many tasks to skip. For long lists use `cursor`, which skips no task and, newest first,
    is equally fast on every page.
    """
    cursor: Annotated[str, token_field("cursor")] | None = None
    """`next` of the previous page, with the same filters and `sort`, and no `offset`."""

    # Cached: equal queries are one object, which is read again and again.
    @cached_property
    def chosen(self) -> str:
        """The given filters and order, as in a URL."""
        return urlencode(
            {
                name: str(value).lower() if isinstance(value, bool) else value
                for name, value in self._given.items()
            }
        )

    @cached_property
    def is_plain(self) -> bool:
        """Return whether an index has the list, and a counter its total."""
        return self._given.keys() <= {"completed"}

    @property
    def _given(self) -> dict[str, Any]:
        return {
            name: value
            for name in FILTERS
            if (value := getattr(self, name)) != TaskQuery.model_fields[name].default
        }

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the filters and the order as parameters of tasks/filter."""
        return {
            "completed": self.completed,
            "priority": self.priority,
            "tag": self.tag,
            "due_after": _bound(self.due_after, time.min),
            "due_before": _bound(self.due_before, time.max),
            "words": None if self.search is None else [*map(_pattern, self.search.split())],
            "sort": self.sort,
        }


FILTERS = (*(name for name in TaskQuery.model_fields if name not in ("limit", "offset", "cursor")),)
"""The query parameters that a cursor is bound to: all but those of the page."""
SORTS: tuple[str, ...] = get_args(Sort)


def _bound(text: str | None, of_day: time) -> datetime | None:
    if text is None:
        return None
    bound: date = due.parse(text)
    return bound if isinstance(bound, datetime) else datetime.combine(bound, of_day, UTC)


def _pattern(word: str) -> str:
    """Return a LIKE pattern for the word anywhere, with `%` and `_` escaped."""
    for special in ("\\", "%", "_"):
        word = word.replace(special, f"\\{special}")
    return f"%{word}%"
