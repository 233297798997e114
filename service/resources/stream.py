"""The stream of changes: server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
from functools import partial
from typing import Annotated, Literal

import msgspec
from pydantic import WithJsonSchema
from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..auth.bearer import identity_of, owner_of
from ..contract.operation import Answer, Example, Operation
from ..db.queries import Queries
from ..owner import OwnerId
from ..web.cursors import Cursors
from ..web.event_stream import MEDIA_TYPE, EventStream, StreamHeaders
from ..web.exchange import CONNECTION, Connection, Exchange
from ..web.hub import Page
from ..web.input import Query, query_of
from ..web.problem_types import BadRequest, Expired, TooSlow
from .changes import EXAMPLE_CHANGE, Position, SyncToken, feed_after
from .services import services_of
from .task import OF_USER

PAGE = 32
"""Changes read and sent at a time."""
PAGE_BYTES = 64 * 1024
"""Bytes after which no more events are sent at a time, to limit what is buffered for a client."""

_encode = msgspec.json.Encoder().encode


class StreamQuery(Query):
    """The start of a stream."""

    since: SyncToken | None = None
    """`next` of a page of changes, or the `id` of an event; without it every task is sent first."""


class StreamEvent(TypedDict):
    """One event of the stream: its fields, one a line."""

    id: str
    """The token after it, for `Last-Event-ID` or `since`."""
    event: Literal["change"]
    """The kind of event."""
    data: Annotated[
        str,
        WithJsonSchema(
            {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": "#/components/schemas/Change"},
            }
        ),
    ]
    """The change, as JSON in one line."""


async def events_after(
    queries: Queries, cursors: Cursors, owner: OwnerId, position: Position | None
) -> Page:
    """Read the next events after a position. Raises Expired."""
    feed = await feed_after(queries, owner, position, PAGE)
    blocks: list[bytes] = []
    size = 0
    for number in range(1, len(feed.items) + 1):
        part = feed.first(number)
        token = cursors.seal("changes", owner, _known(*part.position)).encode()
        change = _encode(part.items[-1])
        blocks.append(b"id: %b\nevent: change\ndata: %b\n\n" % (token, change))
        size += len(blocks[-1])
        if size > PAGE_BYTES:
            feed = part
            break
    known = _known(*feed.position)
    if not blocks and (position is None or known.after > position.after):
        # No event, but a newer position: clients keep the id (section 9.2.6, step 1).
        blocks = [b"id: %b\n\n" % cursors.seal("changes", owner, known).encode()]
    return Page(b"".join(blocks), len(feed.items), known, feed.newest, feed.more)


async def newest(queries: Queries, owner: OwnerId) -> int:
    """Read the number of the owner's latest change, 0 before the first."""
    row = await queries.maybe("owners/get", owner)
    return row["sequence"] if row else 0


@Operation(
    tag="tasks",
    auth=owner_of,
    path=OF_USER,
    query=StreamQuery,
    headers=("Last-Event-ID",),
    answers={200: Answer("Events, each with this schema.", StreamEvent, (), (MEDIA_TYPE,))},
    problems=(TooSlow, Expired),
    examples=(
        Example(
            "What there is, then what comes",
            200,
            {
                "id": "xtuuUcVMwP7jBYyJbP0U9VsxLDFd",
                "event": "change",
                "data": _encode(EXAMPLE_CHANGE).decode(),
            },
        ),
    ),
)
async def stream_changes(request: Exchange) -> Response:
    """Stream the tasks created, changed or deleted as it happens: server-sent events.

    Each event is named `change`; its `data` is a `Change` like an item of the feed, its `id` the
    token after it. Missed changes come first: send the last `id` as `Last-Event-ID`, or `next` of
    the feed as `since`; on 410 start again with the feed. A block with only an `id` is progress
    without a change. A comment comes after every 15 idle seconds. The stream ends when the token
    expires or the server stops; then reconnect after the milliseconds in `retry`. A client that
    does not read is cut off, and can resume. Each user may have 8 streams at once on each worker.
    `curl -N` shows events at once; a client that waits for the complete response, as the page to
    try the API does, shows them at the end.
    """
    owner = owner_of(request)
    query = query_of(request, StreamQuery)
    services = services_of(request)
    cursors, hub = services.cursors, services.hub
    position = _position(request, cursors, owner, query.since)
    subscription = hub.join(owner, partial(events_after, services.queries, cursors, owner))
    try:
        first = await asyncio.shield(subscription.page(position))
    except BaseException:
        subscription.leave()
        raise
    if request.method == "HEAD":
        subscription.leave()
        return StreamHeaders()
    connection: Connection | None = request.scope.get(CONNECTION)
    return EventStream(subscription, first, identity_of(request).expires, connection)


def _position(
    request: Exchange, cursors: Cursors, owner: OwnerId, since: str | None
) -> Position | None:
    lines = request.lines(b"last-event-id")
    if len(lines) > 1:
        raise BadRequest("More than one Last-Event-ID header")
    parameter, token = "since", since
    if lines and lines[0]:
        parameter, token = "Last-Event-ID", lines[0]
    if token is None:
        return None
    return _known(
        *cursors.open("changes", owner, token, Position, parameter=parameter, unknown=Expired)
    )


def _known(after: int, base: int) -> Position:
    """Return a position. A base below `after` is dropped, so that streams at the same position
    share pages.
    """
    return Position(after, max(after, base))
