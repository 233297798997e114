"""The list of an owner's tasks, page by page."""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Annotated, NamedTuple

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..auth.bearer import owner_of
from ..contract.operation import Answer, Example, Operation
from ..db import shapes
from ..db.queries import Queries
from ..owner import OwnerId
from ..web.conditions import conditions_of, validators
from ..web.exchange import Exchange
from ..web.input import query_of
from ..web.problem_types import Invalid, TooSlow
from ..web.replies import reply
from .filters import MAX_OFFSET, TaskQuery
from .paging import SORTED_TOP, TOP, ListPosition, Paging, SortedPosition, bounded
from .services import services_of
from .task import CONDITIONS, EXAMPLE, OF_USER, SAME, Task
from .task_columns import task_of, values_of


class TaskPage(TypedDict):
    """One page of tasks, in the requested order."""

    items: list[Task]
    """The tasks of this page."""
    total: Annotated[int, Field(ge=0)]
    """The number of tasks on all pages."""
    limit: Annotated[int, Field(ge=1, le=100)]
    """The most tasks on this page: as requested, or as fit into 256 KiB."""
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] | None
    """The number of skipped tasks; null on a page reached by a cursor."""
    next: str | None
    """The cursor of the next page; null on the last one."""


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_USER,
    query=TaskQuery,
    headers=CONDITIONS,
    answers={200: Answer("A page of tasks.", TaskPage, headers=("ETag", "Link")), 304: SAME},
    problems=(TooSlow,),
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
    """List the caller's tasks that match all filters, newest first or by `sort`.

    Page by `cursor`: follow `next`, or the `Link` header, until it is null. Tasks created or
    deleted meanwhile neither repeat nor hide others. Use `offset` for short lists alone. With the
    page's `ETag` in `If-None-Match` an unchanged list is 304, at little cost.
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
    queries = services_of(request).queries
    paging = Paging(request, owner, query.chosen)
    find = (
        partial(_plain, position=paging.position(query.cursor, TOP))
        if query.is_plain
        else partial(_filtered, position=paging.position(query.cursor, SORTED_TOP))
    )
    conditions = conditions_of(request)
    if conditions.given:
        row = await queries.maybe("owners/get", owner)
        tag = _list_tag(row["sequence"] if row else 0, query)
        if not conditions.allow_reading(tag):
            return Response(status_code=304, headers=validators(tag))
    found = await find(queries, owner, query)
    values = values_of(found.tasks)
    items = [task_of(task, values) for task in found.tasks[: query.limit]]
    tag = _list_tag(found.sequence, query)

    def answer(count: int) -> Response:
        more = len(found.tasks) > count > 0
        following = paging.cursor(found.below(count - 1)) if more else None
        page: TaskPage = {
            "items": items[:count],
            "total": found.total,
            "limit": query.limit if count == len(items) else count,
            "offset": query.offset if query.cursor is None else None,
            "next": following,
        }
        return reply(
            page, headers={**validators(tag), "Link": paging.links(query.limit, following)}
        )

    return bounded(answer, items)


class _Found(NamedTuple):
    """A page, with one more task if there is a next one."""

    sequence: int
    total: int
    tasks: Sequence[shapes.Task]
    below: Callable[[int], ListPosition | SortedPosition]
    """Returns the position below a task."""


async def _plain(
    queries: Queries, owner: OwnerId, query: TaskQuery, position: ListPosition
) -> _Found:
    rows = await queries.many(
        "tasks/list",
        owner,
        completed=query.completed,
        created_at=position.created_at,
        id=position.id,
        page_size=query.limit + 1,
        skip=query.offset,
    )
    tasks = [row for row in rows if row["id"] is not None]
    sequence, total = (rows[0]["sequence"], rows[0]["total"]) if rows else (0, 0)
    return _Found(sequence, total, tasks, lambda at: ListPosition.below(tasks[at]))


async def _filtered(
    queries: Queries, owner: OwnerId, query: TaskQuery, position: SortedPosition
) -> _Found:
    rows = await queries.many(
        "tasks/filter",
        owner,
        **query.parameters,
        **position.parameters,
        page_size=query.limit + 1,
        skip=query.offset,
    )
    tasks = [row for row in rows if row["id"] is not None]
    sequence, total = (rows[0]["sequence"], rows[0]["total"]) if rows else (0, 0)
    return _Found(sequence, total, tasks, lambda at: SortedPosition.below(tasks[at]))


def _list_tag(sequence: int, query: TaskQuery) -> str:
    """Return the ETag of the owner's sequence and the query, which determine the list."""
    return f'"{sequence}.{_digest(query)}"'


@lru_cache(maxsize=256)  # clients send few different queries, again and again
def _digest(query: TaskQuery) -> str:
    return hashlib.sha256(query.model_dump_json().encode()).hexdigest()[:16]
