"""The feed of changes that does not end: server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
from functools import partial
from typing import Annotated, Literal

import msgspec
from pydantic import ConfigDict, WithJsonSchema, with_config
from starlette.responses import Response
from typing_extensions import TypedDict  # which pydantic can read before Python 3.12

from ..auth.bearer import identity_of, owner_of
from ..contract.operation import Answer, Example, Operation
from ..db.queries import Queries
from ..owner import OwnerId
from ..web.cursors import Cursors
from ..web.event_stream import MEDIA_TYPE, EventStream, Head
from ..web.exchange import CONNECTION, Connection, Exchange
from ..web.hub import Page
from ..web.input import Query, query_of
from ..web.problem_types import BadRequest, Expired, TooSlow
from .changes import EXAMPLE_CHANGE, Position, SyncToken, feed_after
from .services import services_of
from .task import OF_USER

PAGE = 32
"""Changes that are read and sent at a time."""
PAGE_BYTES = 64 * 1024
"""Bytes after which no more events are sent at a time: a client that does not read has no more of
ours.
"""

_encode = msgspec.json.Encoder().encode


class StreamQuery(Query):
    """Where to begin."""

    since: SyncToken | None = None
    """`next` of a page of changes, or the `id` of an event; without it all tasks are new."""


@with_config(ConfigDict(use_attribute_docstrings=True))
class StreamEvent(TypedDict):
    """One event of the stream: the fields that it has there, a line each."""

    id: str
    """The token behind it: where to go on, as `Last-Event-ID` or `since`."""
    event: Literal["change"]
    """What it is."""
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
        # No event, but what is behind it is known: clients keep the id (section 9.2.6, step 1).
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
    answers={
        200: Answer("Events, as they happen: the schema is one's.", StreamEvent, (), (MEDIA_TYPE,))
    },
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
    """Stream what is created, changed or deleted, when it happens: server-sent events that do not
    end.

    Each event is named `change`; its `data` is a `Change` as an item of the feed is one, and its
    `id` the token behind it. What was missed comes first: send the last `id` as `Last-Event-ID`, or
    `next` of the feed as `since`; 410 means to start again with the feed. A block that has only an
    `id` tells how far one has come. While there is nothing to tell, a comment comes every 15
    seconds. The stream ends when the token expires or the server stops, with `retry`: connect again
    after so many milliseconds. A client that does not read is cut off, and can go on where it
    stopped. Each user may have 8 streams at once on each worker. `curl -N` shows events when they
    come; what waits for a whole answer, as a page to try the API does, shows them at the end.
    """
    owner = owner_of(request)
    query = query_of(request, StreamQuery)
    services = services_of(request)
    cursors, hub = services.cursors, services.hub
    position = _position(request, cursors, owner, query.since)
    place = hub.join(owner, partial(events_after, services.queries, cursors, owner))
    try:
        first = await asyncio.shield(place.page(position))
    except BaseException:
        place.leave()
        raise
    if request.method == "HEAD":
        place.leave()
        return Head()
    connection: Connection | None = request.scope.get(CONNECTION)
    return EventStream(place, first, identity_of(request).expires, connection)


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
    """A position. A base that lies before it says nothing more: without it, streams at the same
    place share what is read for them.
    """
    return Position(after, max(after, base))
