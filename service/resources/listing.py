"""The list of an owner's tasks, page by page."""

import hashlib
from functools import lru_cache
from typing import Annotated

from pydantic import ConfigDict, Field, with_config
from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..auth.bearer import owner_of
from ..contract.operation import Answer, Example, Operation
from ..web.conditions import conditions_of, validators
from ..web.cursors import MAX_TOKEN_CHARACTERS
from ..web.exchange import Exchange
from ..web.input import WHOLE, Query, Truth, query_of
from ..web.problem_types import Invalid, PreconditionFailed, TooSlow
from ..web.replies import reply
from . import queries_of
from .paging import TOP, Paging, Place, bounded
from .task import CONDITIONS, EXAMPLE, OF_USER, SAME, Task, task_of

MAX_OFFSET = 100_000
"""An offset is paid for row by row; this far down a page still takes some 30 ms."""


@with_config(ConfigDict(use_attribute_docstrings=True))
class TaskPage(TypedDict):
    """One page of tasks, newest first."""

    items: list[Task]
    """The tasks of this page."""
    total: Annotated[int, Field(ge=0)]
    """How many tasks there are on all pages."""
    limit: Annotated[int, Field(ge=1, le=100)]
    """How many tasks this page may have: as many as asked for, or as fit into 256 KiB."""
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] | None
    """How many tasks were skipped; null on a page that was reached by a cursor."""
    next: str | None
    """The cursor of the next page; null on the last one."""


class TaskQuery(Query):
    """What a list can be asked for."""

    completed: Truth | None = None
    """Only tasks that are done, or only those that are not."""
    limit: Annotated[int, Field(ge=1, le=100), WHOLE] = 50
    """How many tasks a page may have."""
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET), WHOLE] = 0
    """How many tasks to skip. For long lists use `cursor`, which is as fast on every page and
    misses nothing.
    """
    cursor: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=MAX_TOKEN_CHARACTERS,
                json_schema_extra={"format": "cursor"},
            ),
        ]
        | None
    ) = None
    """Where to go on: `next` of the page before, with the same `completed` and no `offset`."""


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_USER,
    query=TaskQuery,
    headers=CONDITIONS,
    answers={200: Answer("A page of tasks.", TaskPage, headers=("ETag", "Link")), 304: SAME},
    problems=(TooSlow, PreconditionFailed),
    examples=(
        Example(
            "The newest tasks that are not done",
            200,
            {"items": [EXAMPLE], "total": 1, "limit": 10, "offset": 0, "next": None},
            query={"completed": "false", "limit": "10"},
        ),
    ),
)
async def list_tasks(request: Exchange) -> Response:
    """List the caller's tasks, newest first.

    Page by `cursor`: take `next` of the answer, or its `Link` header, until it is null. What others
    create or delete meanwhile neither repeats a task nor hides one. `offset` is there for lists
    that are short. With the page's `ETag` in `If-None-Match` an unchanged list is 304, which costs
    next to nothing.
    """
    owner = owner_of(request)
    query = query_of(request, TaskQuery)
    # Generated clients send defaults too, so that 0 must pass
    if query.cursor is not None and query.offset:
        raise Invalid(
            [
                {
                    "parameter": "offset",
                    "detail": "Must not be given together with `cursor`",
                    "code": "conflict",
                }
            ]
        )
    paging = Paging(request, owner, completed=query.completed)
    place = paging.place(query.cursor) if query.cursor is not None else TOP
    conditions = conditions_of(request)
    if conditions.given:
        row = await queries_of(request).maybe("owners/get", owner)
        tag = _list_tag(row["sequence"] if row else 0, query)
        if not conditions.allow_reading(tag):
            return Response(status_code=304, headers=validators(tag))
    rows = await queries_of(request).many(
        "tasks/list",
        owner,
        completed=query.completed,
        created_at=place.created_at,
        id=place.id,
        page_size=query.limit + 1,  # one more than asked for tells whether there is a next page
        skip=query.offset,
    )
    tasks = [row for row in rows if row["id"] is not None]
    items = [task_of(task) for task in tasks[: query.limit]]
    tag = _list_tag(rows[0]["sequence"] if rows else 0, query)

    def answer(count: int) -> Response:
        following = paging.cursor(Place.below(tasks[count - 1])) if len(tasks) > count > 0 else None
        page: TaskPage = {
            "items": items[:count],
            "total": rows[0]["total"] if rows else 0,
            "limit": query.limit if count == len(items) else count,
            "offset": query.offset if query.cursor is None else None,
            "next": following,
        }
        return reply(
            page, headers={**validators(tag), "Link": paging.links(query.limit, following)}
        )

    return bounded(answer, items)


def _list_tag(sequence: int, query: TaskQuery) -> str:
    """Of the owner's sequence and the query: whatever else a list shows has not changed since that
    number.
    """
    return f'"{sequence}.{_digest(query)}"'


@lru_cache(maxsize=256)  # clients ask for few different first pages, over and over
def _digest(query: TaskQuery) -> str:
    return hashlib.sha256(query.model_dump_json().encode()).hexdigest()[:16]
